//! What stands at offsets of the command topic: records, markers of transactions, nothing any more, nothing yet.

use std::ops::Range;
use std::time::Duration;

use ledger::Offset;
use ledger_log::{COMMANDS, CommandReader, Stretch, StretchError};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use tokio::time::Instant;

use crate::broker::{Broker, TIMEOUT, cluster, kafka, tansu};
use crate::outages::nobody;

const PARTITION: u16 = 2;

/// Appends values to the partition, in a transaction or in none; returns when its marker stands behind them.
async fn append(broker: &Broker, values: &[&str], transaction: Option<Ending>) {
    let before = end(broker).await;
    produce(broker, values, transaction, "none");
    let expected = before + values.len() as u64 + u64::from(transaction.is_some());
    let began = Instant::now();
    while end(broker).await < expected {
        assert!(began.elapsed() < TIMEOUT, "the marker never came");
    }
}

async fn end(broker: &Broker) -> u64 {
    broker.topics.command_ends().await.unwrap()[usize::from(PARTITION)].end
}

fn produce(broker: &Broker, values: &[&str], transaction: Option<Ending>, codec: &str) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &broker.address).set("compression.type", codec);
    if transaction.is_some() {
        config.set("transactional.id", "stretches");
    }
    let producer: BaseProducer = config.create().unwrap();
    if transaction.is_some() {
        producer.init_transactions(TIMEOUT).unwrap();
        producer.begin_transaction().unwrap();
    }
    for value in values {
        let record = BaseRecord::to(COMMANDS).partition(PARTITION.into()).key("alice").payload(*value);
        producer.send(record).unwrap();
    }
    producer.flush(TIMEOUT).unwrap();
    match transaction {
        Some(Ending::Commit) => producer.commit_transaction(TIMEOUT).unwrap(),
        Some(Ending::Abort) => producer.abort_transaction(TIMEOUT).unwrap(),
        None => {}
    }
}

#[derive(Clone, Copy)]
enum Ending {
    Commit,
    Abort,
}

async fn read(broker: &Broker, offsets: Range<Offset>) -> Result<Stretch, StretchError> {
    broker.cluster.command_reader().read(PARTITION, offsets, Instant::now() + TIMEOUT).await
}

fn values(stretch: &Stretch) -> Vec<(i64, String)> {
    let value = |record: &ledger_log::StoredRecord| String::from_utf8(record.value.clone().unwrap()).unwrap();
    stretch.records.iter().map(|record| (record.offset, value(record))).collect()
}

fn voids(stretch: &Stretch) -> Vec<(Offset, Offset)> {
    stretch.voids.iter().map(|void| (void.start, void.end)).collect()
}

#[tokio::test]
async fn markers_are_void_and_every_record_counts_also_of_a_transaction_that_was_aborted() {
    let broker = kafka().await;
    broker.begin(1).await;
    append(&broker, &["a"], None).await;
    append(&broker, &["b", "c"], Some(Ending::Commit)).await;
    append(&broker, &["d"], Some(Ending::Abort)).await;
    append(&broker, &["e"], None).await;
    append(&broker, &["f"], Some(Ending::Commit)).await;
    let all = read(&broker, 0..9).await.unwrap();
    let expected = [(0, "a"), (1, "b"), (2, "c"), (4, "d"), (6, "e"), (7, "f")];
    assert_eq!(values(&all), expected.map(|(offset, value)| (offset, value.to_owned())));
    assert_eq!((voids(&all), all.end), (vec![(3, 4), (5, 6), (8, 9)], 9), "the last one stands at the end of the log");
    assert!(all.records.iter().all(|record| record.stamped_by_broker && record.recorded_at.is_some()));
    let one = read(&broker, 3..4).await.unwrap();
    assert_eq!((values(&one), voids(&one)), (vec![], vec![(3, 4)]));
    assert_eq!(read(&broker, 8..10).await, Err(StretchError::NotThere { partition: PARTITION, end: 9 }));
    assert_eq!(read(&broker, 40..41).await, Err(StretchError::NotThere { partition: PARTITION, end: 9 }));
}

/// A topic, or a broker, may be set to compress what it was sent uncompressed.
#[tokio::test]
async fn records_are_read_whatever_they_are_compressed_with() {
    let broker = kafka().await;
    broker.begin(1).await;
    let long = "a".repeat(1_000);
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        produce(&broker, &[&long], None, codec);
    }
    assert_eq!(values(&read(&broker, 0..4).await.unwrap()), [0, 1, 2, 3].map(|offset| (offset, long.clone())));
}

#[tokio::test]
async fn what_the_log_no_longer_begins_with_is_lost_and_never_void() {
    let broker = kafka().await;
    broker.begin(1).await;
    append(&broker, &["a", "b"], None).await;
    append(&broker, &["c"], Some(Ending::Commit)).await;
    append(&broker, &["d"], None).await;
    let mut front = TopicPartitionList::new();
    front.add_partition_offset(COMMANDS, PARTITION.into(), KafkaOffset::Offset(2)).unwrap();
    admin(&broker).delete_records(&front, &AdminOptions::new()).await.unwrap();
    let lost = StretchError::Lost { partition: PARTITION, first: 1, start: 2 };
    assert!(!lost.retry_helps());
    assert_eq!(read(&broker, 1..4).await, Err(lost));
    let rest = read(&broker, 2..5).await.unwrap();
    assert_eq!(voids(&rest), [(3, 4)]);
}

#[tokio::test]
async fn in_a_topic_that_is_compacted_nothing_is_void() {
    let broker = kafka().await;
    broker.begin(1).await;
    append(&broker, &["a"], Some(Ending::Commit)).await;
    append(&broker, &["b"], None).await;
    let change = AlterConfig::new(ResourceSpecifier::Topic(COMMANDS)).set("cleanup.policy", "compact");
    for changed in admin(&broker).alter_configs([&change], &AdminOptions::new()).await.unwrap() {
        changed.unwrap();
    }
    let policy = "compact".to_owned();
    assert_eq!(read(&broker, 0..3).await, Err(StretchError::NotKept { partition: PARTITION, first: 1, policy }));
    assert_eq!(values(&read(&broker, 2..3).await.unwrap()), [(2, "b".to_owned())], "what stands there stands there");
}

#[tokio::test]
async fn the_embedded_broker_tells_its_records_too() {
    let broker = tansu().await;
    broker.begin(1).await;
    append(&broker, &["a", "b", "c"], None).await;
    let stretch = read(&broker, 1..3).await.unwrap();
    assert_eq!((values(&stretch).len(), voids(&stretch)), (2, vec![]));
    let nothing_yet = read(&broker, 3..4).await.unwrap_err();
    assert!(nothing_yet.retry_helps(), "{nothing_yet}");
}

#[tokio::test]
async fn without_a_broker_a_reading_ends_by_its_deadline() {
    let reader = cluster(&nobody(), 1_000).await.command_reader();
    let began = Instant::now();
    let error = reader.read(0, 0..1, began + Duration::from_millis(600)).await.unwrap_err();
    assert!(matches!(&error, StretchError::Unavailable { reason, .. } if reason.contains("refused")), "{error}");
    assert!(began.elapsed() < Duration::from_secs(2), "took {:?}", began.elapsed());
    let error = reader.read(0, 0..1, began).await.unwrap_err();
    assert!(matches!(&error, StretchError::Unavailable { reason, .. } if reason == "there is no time left"), "{error}");
}

fn admin(broker: &Broker) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &broker.address).create().unwrap()
}
