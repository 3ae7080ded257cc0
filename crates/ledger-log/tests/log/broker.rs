//! The brokers under test. The topics have fixed names, so that one test at a time uses a broker.

use std::num::NonZeroU16;
use std::time::Duration;

use ledger::{AccountId, Generation, Placement};
use ledger_log::{
    AppendError, Appended, Cluster, CommandLog, CreateTopics, KafkaCommandLog, KafkaOutcomeLog, LogConfig, Topics,
};
use ledger_wire::NewCommand;
use tokio::sync::{Mutex, MutexGuard};

pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);
pub(crate) const LAYOUT: CreateTopics = CreateTopics { partitions: 4, replication_factor: 1 };

static KAFKA: Mutex<()> = Mutex::const_new(());
static TANSU: Mutex<()> = Mutex::const_new(());

/// A generation of that layout.
pub(crate) fn placement(generation: Generation) -> Placement {
    Placement { generation, partitions: NonZeroU16::new(LAYOUT.partitions).expect("some") }
}

pub(crate) fn deposit(account: &AccountId, amount: u32) -> NewCommand {
    let body = format!(r#"{{"type":"deposit","account":"{account}","amount":{amount},"currency":"EUR"}}"#);
    NewCommand::from_body(body.as_bytes()).unwrap()
}

/// Appends a deposit for alice.
pub(crate) async fn append(log: &impl CommandLog) -> Result<Appended, AppendError> {
    let command = deposit(&"alice".parse().unwrap(), 1);
    log.append(&[command], None).await.remove(0)
}

/// A broker that this test has for itself, without any topic of the ledger but the generations.
pub(crate) struct Broker {
    pub(crate) address: String,
    pub(crate) cluster: Cluster,
    pub(crate) topics: Topics,
    _turn: MutexGuard<'static, ()>,
}

pub(crate) async fn kafka() -> Broker {
    Broker::take("PASSBOOK_TEST_KAFKA", "an Apache Kafka", &KAFKA).await
}

pub(crate) async fn tansu() -> Broker {
    Broker::take("PASSBOOK_TEST_TANSU", "a tansu", &TANSU).await
}

impl Broker {
    async fn take(variable: &str, what: &str, turns: &'static Mutex<()>) -> Self {
        let Ok(address) = std::env::var(variable) else {
            panic!(
                "{variable} is not set: it names {what} to test against, as host:port; `cargo dev test` starts one and sets it"
            )
        };
        let turn = turns.lock().await;
        let cluster = cluster(&address, 10_000).await;
        let topics = cluster.topics(TIMEOUT);
        topics.delete().await.unwrap();
        Self { address, cluster, topics, _turn: turn }
    }

    pub(crate) async fn begin(&self, generation: Generation) {
        self.topics.begin_generation(placement(generation), 1).await.unwrap();
        self.topics.create(LAYOUT).await.unwrap();
    }

    pub(crate) fn command_log(&self) -> KafkaCommandLog {
        self.cluster.command_log().unwrap()
    }

    pub(crate) fn outcome_log(&self) -> KafkaOutcomeLog {
        self.cluster.outcome_log(TIMEOUT).unwrap()
    }
}

pub(crate) async fn cluster(address: &str, append_timeout_ms: u64) -> Cluster {
    let lookup = |name: &str| match name {
        "KAFKA_BOOTSTRAP_SERVERS" => Some(address.to_owned()),
        "APPEND_TIMEOUT_MS" => Some(append_timeout_ms.to_string()),
        _ => None,
    };
    let config = variables::read_from(lookup, LogConfig::read);
    Cluster::find(&config.unwrap()).await.unwrap()
}
