//! The log as any Kafka client sees it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use tokio::runtime::{self, Runtime};

use crate::wait_until;

pub const COMMANDS: &str = "passbook.commands";
pub const OUTCOMES: &str = "passbook.outcomes";

const PATIENCE: Duration = Duration::from_secs(15);

pub struct Log {
    brokers: String,
    consumer: BaseConsumer,
}

/// The end of every partition of a topic: the offset that the next record gets.
pub type Ends = Vec<i64>;

#[derive(Debug, Clone)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Log {
    pub fn connect(brokers: &str) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("group.id", "system-tests").set("enable.auto.commit", "false");
        config.set("auto.offset.reset", "error").set("log_level", "0");
        Ok(Self { brokers: brokers.to_owned(), consumer: config.create()? })
    }

    pub fn ends(&self, topic: &str) -> Result<Ends> {
        let metadata = self.consumer.fetch_metadata(Some(topic), PATIENCE).context("metadata")?;
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        ensure!(partitions > 0, "there is no topic {topic}");
        let end = |partition| Ok(self.consumer.fetch_watermarks(topic, partition, PATIENCE)?.1);
        (0..i32::try_from(partitions)?).map(end).collect()
    }

    /// The records from these ends on to what are the ends now.
    pub fn records_since(&self, topic: &str, from: &Ends) -> Result<Vec<Record>> {
        let to = self.ends(topic)?;
        let mut wanted = TopicPartitionList::new();
        for (partition, from, _) in stretches(from, &to) {
            wanted.add_partition_offset(topic, partition, Offset::Offset(from))?;
        }
        let count: i64 = stretches(from, &to).map(|(_, from, to)| to - from).sum();
        self.consumer.assign(&wanted)?;
        let mut records = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while records.len() < usize::try_from(count)? {
            ensure!(Instant::now() < deadline, "read {} of {count} records of {topic}", records.len());
            let Some(message) = self.consumer.poll(Duration::from_millis(200)) else { continue };
            let message = message?;
            if message.offset() < to[usize::try_from(message.partition())?] {
                records.push(Record::from(&message));
            }
        }
        self.consumer.unassign()?;
        Ok(records)
    }

    /// The records from these ends on, as soon as there are so many.
    pub fn await_records(&self, topic: &str, from: &Ends, count: usize) -> Result<Vec<Record>> {
        let count = i64::try_from(count)?;
        wait_until(&format!("{topic} has {count} records more"), PATIENCE, || {
            let to = self.ends(topic)?;
            let more: i64 = stretches(from, &to).map(|(_, from, to)| to - from).sum();
            Ok((more >= count).then_some(()))
        })?;
        self.records_since(topic, from)
    }

    /// Appends one record, whatever is in it; to the partition of its key unless one is named.
    pub fn append(&self, topic: &str, partition: Option<i32>, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<()> {
        let producer = self.producer().create()?;
        send(&producer, topic, partition, key, value)
    }

    /// Appends one record in a transaction, whose marker takes the offset after it.
    pub fn append_in_transaction(
        &self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        ending: Ending,
    ) -> Result<()> {
        let producer: BaseProducer = self.producer().set("transactional.id", "system-tests").create()?;
        producer.init_transactions(PATIENCE)?;
        producer.begin_transaction()?;
        send(&producer, topic, partition, key, value)?;
        match ending {
            Ending::Commit => producer.commit_transaction(PATIENCE)?,
            Ending::Abort => producer.abort_transaction(PATIENCE)?,
        }
        Ok(())
    }

    /// Deletes the records of a partition before this offset.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) -> Result<()> {
        let mut front = TopicPartitionList::new();
        front.add_partition_offset(topic, partition, Offset::Offset(before))?;
        let deleted = runtime()?.block_on(self.admin()?.delete_records(&front, &AdminOptions::new()))?;
        let elements = deleted.elements();
        elements.iter().try_for_each(|element| element.error()).context("the records were not deleted")
    }

    /// Gives a topic this one setting, and all others their defaults.
    pub fn set(&self, topic: &str, name: &str, value: &str) -> Result<()> {
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
        for changed in runtime()?.block_on(self.admin()?.alter_configs([&change], &AdminOptions::new()))? {
            changed.map_err(|(_, code)| anyhow!("{topic} was not changed: {code}"))?;
        }
        Ok(())
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        let mut config = ClientConfig::new();
        Ok(config.set("bootstrap.servers", &self.brokers).set("log_level", "0").create()?)
    }

    fn producer(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("log_level", "0");
        config
    }
}

fn runtime() -> Result<Runtime> {
    Ok(runtime::Builder::new_current_thread().build()?)
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Commit,
    Abort,
}

fn send(
    producer: &BaseProducer,
    topic: &str,
    partition: Option<i32>,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<()> {
    let mut record = BaseRecord::<[u8], [u8]>::to(topic);
    record.partition = partition;
    record.key = key;
    record.payload = value;
    producer.send(record).map_err(|(fault, _)| fault)?;
    producer.flush(PATIENCE).context("the record was not delivered")
}

fn stretches<'a>(from: &'a Ends, to: &'a Ends) -> impl Iterator<Item = (i32, i64, i64)> + 'a {
    let each = (0..).zip(from).zip(to).map(|((partition, from), to)| (partition, *from, *to));
    each.filter(|(_, from, to)| from < to)
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}

impl From<&BorrowedMessage<'_>> for Record {
    fn from(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        Self {
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
            key: message.key().map(Vec::from),
            value: message.payload().map(Vec::from),
            headers: headers.map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect(),
        }
    }
}

impl Record {
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }

    pub fn json(&self) -> Result<Value> {
        Ok(serde_json::from_slice(self.value.as_deref().context("the record has no value")?)?)
    }
}

/// The event that a self-managed Kafka event source would invoke a function with for these records.
pub fn event(brokers: &str, topic: &str, records: &[Record]) -> Value {
    let mut partitions = serde_json::Map::new();
    for record in records {
        let headers: Vec<_> = record.headers.iter().map(|(name, value)| json!({ name: value })).collect();
        let encoded = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| BASE64.encode(bytes));
        let of_partition = partitions.entry(format!("{topic}-{}", record.partition)).or_insert_with(|| json!([]));
        if let Some(list) = of_partition.as_array_mut() {
            list.push(json!({
                "topic": topic, "partition": record.partition, "offset": record.offset,
                "timestamp": record.timestamp_ms, "timestampType": "LOG_APPEND_TIME",
                "key": encoded(&record.key), "value": encoded(&record.value), "headers": headers,
            }));
        }
    }
    json!({"eventSource": "SelfManagedKafka", "bootstrapServers": brokers, "records": partitions})
}
