//! A database for each test, and the calls every test makes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ledger::{Account, Generation, Line, Outcome, Placement, Refusal, Standing, Timestamp};
use ledger_store::{
    Applied, AppliedOutcome, ApplyError, LogRecord, MemoryStore, MongoStore, PartitionBatch, Reading, Report, Settling,
    StoreConfig,
};
use mongodb::bson::Document;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::log::{TOPIC, batch};

/// When every test settles: in 2100. MongoDB's sweeper goes by the real clock, and takes the keys of what was settled
/// long ago while a test still asks for them.
pub(crate) const SETTLED_AT: Timestamp = Timestamp::from_epoch_ms(4_102_444_800_000);

static DATABASES: AtomicU32 = AtomicU32::new(0);
static REPLICA_SET: OnceCell<()> = OnceCell::const_new();

pub(crate) fn uri() -> String {
    std::env::var("PASSBOOK_TEST_MONGODB").expect(
        "PASSBOOK_TEST_MONGODB is not set: these tests need a mongod started with --replSet, and its address, \
         such as mongodb://127.0.0.1:27017",
    )
}

/// A store on MongoDB in a database of its own.
pub(crate) struct OnMongo {
    pub(crate) store: MongoStore,
    pub(crate) database: mongodb::Database,
}

impl OnMongo {
    pub(crate) async fn new() -> Self {
        let name = format!("passbook_test_{}_{}", std::process::id(), DATABASES.fetch_add(1, Ordering::Relaxed));
        let store = MongoStore::connect(StoreConfig::new(uri(), &name)).await.unwrap();
        REPLICA_SET.get_or_init(|| async { store.initialize(true).await.unwrap() }).await;
        store.initialize(false).await.unwrap();
        let database = mongodb::Client::with_uri_str(uri()).await.unwrap().database(&name);
        Self { store, database }
    }

    pub(crate) fn documents(&self, collection: &str) -> mongodb::Collection<Document> {
        self.database.collection(collection)
    }

    /// Ends a test: its books must be right, and its database goes.
    pub(crate) async fn end(self) {
        let checked = self.store.check().await.unwrap();
        assert_eq!(checked.difference, None);
        self.drop().await;
    }

    pub(crate) async fn drop(self) {
        self.database.drop().await.unwrap();
    }
}

/// Makes a test of each function, `async fn(impl Store)`, on both stores.
macro_rules! on_both_stores {
    ($($test:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test] async fn $test() { super::$test(ledger_store::MemoryStore::default()).await; })+
        }
        mod on_mongodb {
            $(#[tokio::test] async fn $test() {
                let mongo = crate::harness::OnMongo::new().await;
                super::$test(mongo.store.clone()).await;
                mongo.end().await;
            })+
        }
    };
}
pub(crate) use on_both_stores;

/// Both capabilities, with what tests do all the time.
pub(crate) trait Books: Settling + Reading {
    /// Begins a generation of the topic with one partition.
    async fn begin(&self, generation: Generation, began_at: Option<Timestamp>);

    async fn begin_with(&self, placement: Placement);

    async fn try_settle(&self, batch: PartitionBatch) -> Result<Vec<AppliedOutcome>, ApplyError> {
        self.report_on(batch).await.whole()
    }

    async fn report_on(&self, batch: PartitionBatch) -> Report {
        self.apply(batch, SETTLED_AT, Instant::now() + Duration::from_secs(20)).await
    }

    /// Applies records of partition 0.
    async fn settle(&self, records: &[LogRecord]) -> Vec<AppliedOutcome> {
        self.try_settle(batch(0, records)).await.unwrap()
    }

    async fn account_of(&self, id: &str) -> Account {
        self.account(&id.parse().unwrap()).await.unwrap().unwrap_or_else(|| panic!("{id} is not there")).account
    }

    async fn whole_statement(&self, id: &str) -> Vec<Outcome> {
        self.statement(&id.parse().unwrap(), None, 1_000).await.unwrap().unwrap_or_default()
    }
}

impl Books for MongoStore {
    async fn begin(&self, generation: Generation, began_at: Option<Timestamp>) {
        self.begin_generation(TOPIC, 1, generation, began_at).await.unwrap();
    }

    async fn begin_with(&self, placement: Placement) {
        self.begin_generation(TOPIC, placement.partitions.get(), placement.generation, None).await.unwrap();
    }
}

impl Books for MemoryStore {
    async fn begin(&self, generation: Generation, began_at: Option<Timestamp>) {
        self.begin_generation(TOPIC, 1, generation, began_at).unwrap();
    }

    async fn begin_with(&self, placement: Placement) {
        self.begin_generation(TOPIC, placement.partitions.get(), placement.generation, None).unwrap();
    }
}

pub(crate) fn outcome(applied: &AppliedOutcome) -> &Outcome {
    match &applied.applied {
        Applied::Settled(outcome) => outcome,
        Applied::Unreadable(letter) => panic!("{letter:?}"),
    }
}

pub(crate) fn line(applied: &AppliedOutcome) -> &Line {
    &outcome(applied).entry.line
}

pub(crate) fn is_posted(applied: &AppliedOutcome) -> bool {
    line(applied).standing() == Standing::Posted
}

pub(crate) fn refusal(applied: &AppliedOutcome) -> Refusal {
    match line(applied) {
        Line::Refused { refusal, .. } => *refusal,
        other => panic!("not refused but {other:?}"),
    }
}

/// The command whose outcome stands for this one.
pub(crate) fn original(applied: &AppliedOutcome) -> ledger::Position {
    match line(applied) {
        Line::Replayed { original, .. } => *original,
        other => panic!("not replayed but {other:?}"),
    }
}
