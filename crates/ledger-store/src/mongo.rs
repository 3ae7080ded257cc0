//! The store on MongoDB: one client, its collections, and how they are spoken to.

mod apply;
mod check;
mod commit;
mod entries;
mod generation;
mod initialize;
mod look_ups;
mod read;
mod rows;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use ledger::{AccountId, Generation, Offset, Outcome, Partition, Timestamp, TransactionId};
use mongodb::bson::RawDocumentBuf;
use mongodb::options::{ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{Client, Collection, Database};
use tokio::time::Instant;

use crate::batch::{AppliedOutcome, PartitionBatch};
use crate::capability::{AccountView, Lookup, Reading, Settling};
use crate::config::StoreConfig;
use crate::error::{ApplyError, StoreError};
use crate::spent::{Meter, Spent};
use watch::Waited;

/// Connections of an execution environment that has been frozen for longer are not worth trying.
const MAX_IDLE_TIME: Duration = Duration::from_secs(60);

/// The books in MongoDB. Cheap to clone; all clones share one pool of connections.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    database: Database,
    config: Arc<StoreConfig>,
    meter: Arc<Meter>,
    watch: watch::FenceWatch,
    look_ups: look_ups::LookUps,
}

impl Store {
    /// Makes a store ready to connect when it is first used: a MongoDB that is away does not show here. (An address
    /// with `mongodb+srv` is looked up in the DNS.)
    ///
    /// # Errors
    /// When the connection string is none.
    pub async fn connect(config: StoreConfig) -> Result<Self, StoreError> {
        let client = Client::with_options(client_options(&config).await?)?;
        let database = client.database(&config.database);
        let watch = watch::FenceWatch::new(database.clone());
        Ok(Self {
            client,
            database,
            config: Arc::new(config),
            meter: Arc::default(),
            watch,
            look_ups: Default::default(),
        })
    }

    /// Time spent in [`apply`](Settling::apply) since the store was connected.
    pub fn spent(&self) -> Spent {
        self.meter.read()
    }

    /// Itself, to be asked something; a store that is known to be away is not, for each who asks waits for seconds.
    fn ask(&self) -> Result<&Self, StoreError> {
        self.watch.known_away().map_or(Ok(self), Err)
    }

    fn collection(&self, name: &str) -> Collection<RawDocumentBuf> {
        self.database.collection(name)
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

impl Settling for Store {
    async fn apply(
        &self,
        batch: PartitionBatch,
        settled_at: Timestamp,
        deadline: Instant,
    ) -> Result<Vec<AppliedOutcome>, ApplyError> {
        self.apply_until(batch, settled_at, deadline).await
    }
}

impl Reading for Store {
    async fn transaction(&self, id: &TransactionId) -> Result<Lookup, StoreError> {
        self.ask()?.look_up(id).await
    }

    async fn await_outcome(&self, id: &TransactionId, until: Instant) -> Result<Lookup, StoreError> {
        match self.watch.wait(id.position, until).await? {
            Waited::InVain => Ok(Lookup::Accepted),
            Waited::Passed => self.look_ups.look_up(self, id).await,
            Waited::Unknown => self.look_up(id).await,
        }
    }

    async fn account(&self, id: &AccountId) -> Result<Option<AccountView>, StoreError> {
        self.ask()?.read_account(id).await
    }

    async fn statement(
        &self,
        id: &AccountId,
        before_sequence: Option<u64>,
        limit: usize,
    ) -> Result<Option<Vec<Outcome>>, StoreError> {
        self.ask()?.read_statement(id, before_sequence, limit).await
    }

    async fn progress(&self) -> Result<Vec<(Partition, (Generation, Offset))>, StoreError> {
        Ok(self.watch.look().await?.into_iter().collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.database.run_command(mongodb::bson::doc! { "ping": 1 }).await?;
        Ok(())
    }
}
