//! The store on MongoDB: one client, its collections, and how they are spoken to.

mod check;
mod commit;
mod entries;
mod generation;
mod initialize;
mod look_ups;
mod read;
mod rows;
mod transaction;
mod watch;
mod write;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use ledger::{AccountId, Generation, Offset, Outcome, Partition, Position, TransactionId};
use mongodb::bson::{RawDocumentBuf, doc};
use mongodb::options::{ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{Client, Collection, Database};
use tokio::time::Instant;

use crate::batch::{Applied, LogRecord, Published};
use crate::books::Books;
use crate::capability::{AccountView, Lookup, Reading};
use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::shape::{FENCES, fence_id, published_mark};
use crate::spent::Meter;
use crate::store::Store;
pub use transaction::MongoTransaction;
use watch::Waited;
use writes::first_failure;

/// Connections of an execution environment that has been frozen for longer are not worth trying.
const MAX_IDLE_TIME: Duration = Duration::from_secs(60);

/// A store over books in MongoDB.
pub type MongoStore = Store<Mongo>;

/// The books in MongoDB. Cheap to clone; all clones share one pool of connections.
#[derive(Debug, Clone)]
pub struct Mongo {
    client: Client,
    database: Database,
    config: Arc<StoreConfig>,
    meter: Arc<Meter>,
    watch: watch::FenceWatch,
    look_ups: look_ups::LookUps,
}

impl MongoStore {
    /// Makes a store ready to connect when it is first used: a MongoDB that is away does not show here. (An address
    /// with `mongodb+srv` is looked up in the DNS.)
    ///
    /// # Errors
    /// When the connection string is none.
    pub async fn connect(config: StoreConfig) -> Result<Self, StoreError> {
        let meter = Arc::<Meter>::default();
        let terms = config.terms;
        Ok(Self::metered(Mongo::connect(config, Arc::clone(&meter)).await?, terms, meter))
    }
}

impl Mongo {
    async fn connect(config: StoreConfig, meter: Arc<Meter>) -> Result<Self, StoreError> {
        let client = Client::with_options(client_options(&config).await?)?;
        let database = client.database(&config.database);
        let watch = watch::FenceWatch::new(database.clone());
        Ok(Self { client, database, config: Arc::new(config), meter, watch, look_ups: look_ups::LookUps::default() })
    }

    /// Itself, to be asked something; a store that is known to be away is not, for each who asks waits for seconds.
    fn ask(&self) -> Result<&Self, StoreError> {
        self.watch.known_away().map_or(Ok(self), Err)
    }

    fn collection(&self, name: &str) -> Collection<RawDocumentBuf> {
        self.database.collection(name)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.database.run_command(doc! { "ping": 1 }).await?;
        Ok(())
    }
}

async fn client_options(config: &StoreConfig) -> Result<ClientOptions, StoreError> {
    let mut options = ClientOptions::parse(&config.uri).await?;
    options.app_name.get_or_insert_with(|| config.app_name.clone());
    options.max_pool_size.get_or_insert(config.max_pool_size);
    options.max_idle_time.get_or_insert(MAX_IDLE_TIME);
    options.server_selection_timeout.get_or_insert(config.server_selection_timeout);
    options.connect_timeout.get_or_insert(config.server_selection_timeout);
    options.write_concern = Some(durable());
    // A transaction reads from the primary alone, and a fence read elsewhere than its entries would promise too much.
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    Ok(options)
}

/// Written to the journal of most of the replica set.
fn durable() -> WriteConcern {
    let mut concern = WriteConcern::majority();
    concern.journal = Some(true);
    concern
}

/// Nothing that could still be rolled back.
fn committed() -> ReadConcern {
    ReadConcern::majority()
}

impl Books for Mongo {
    type Transaction = MongoTransaction;

    async fn begin(&self) -> Result<MongoTransaction, StoreError> {
        MongoTransaction::begin(self.clone()).await
    }

    async fn find_applied(
        &self,
        partition: Partition,
        generation: Generation,
        records: &[LogRecord],
    ) -> Result<Vec<(Position, Applied)>, StoreError> {
        self.find_all(partition, generation, records).await
    }

    /// What is lost of it with a primary is said again: so one server is enough.
    async fn mark_published(&self, marks: &[Published]) -> Result<(), StoreError> {
        if marks.is_empty() {
            return Ok(());
        }
        let updates: Vec<_> = marks.iter().map(published_mark).collect();
        let update = doc! { "update": FENCES, "updates": updates, "ordered": false, "writeConcern": { "w": 1 } };
        let reply = self.database.run_command(update).await?;
        first_failure(&reply).map_or(Ok(()), |failed| {
            let of = marks.get(failed.at).map(|mark| fence_id(&mark.topic, mark.partition)).unwrap_or_default();
            Err(StoreError::of_document(FENCES, of, failed.code, failed.message))
        })
    }
}

impl Reading for MongoStore {
    async fn transaction(&self, id: &TransactionId) -> Result<Lookup, StoreError> {
        self.books.ask()?.look_up(id).await
    }

    async fn await_outcome(&self, id: &TransactionId, until: Instant) -> Result<Lookup, StoreError> {
        match self.books.watch.wait(id, until).await? {
            Waited::InVain => Ok(Lookup::Accepted),
            Waited::Passed => self.books.look_ups.look_up(&self.books, id).await,
            Waited::Unknown => self.books.look_up(id).await,
        }
    }

    fn comes_soon(&self, position: Position) -> bool {
        self.books.watch.comes_soon(position)
    }

    async fn account(&self, id: &AccountId) -> Result<Option<AccountView>, StoreError> {
        self.books.ask()?.read_account(id).await
    }

    async fn statement(
        &self,
        id: &AccountId,
        before_sequence: Option<u64>,
        limit: usize,
    ) -> Result<Option<Vec<Outcome>>, StoreError> {
        self.books.ask()?.read_statement(id, before_sequence, limit).await
    }

    async fn progress(&self) -> Result<Vec<(Partition, (Generation, Offset))>, StoreError> {
        let places = self.books.watch.look().await?.places.into_iter();
        Ok(places.map(|(partition, reached)| (partition, (reached.generation, reached.next_offset))).collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.books.ping().await
    }
}
