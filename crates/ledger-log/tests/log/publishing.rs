//! Publishing outcomes: by the deadline or not at all, and never for ever.

use std::time::Duration;

use ledger_log::{OUTCOMES, OutcomeLog, OutcomeRecord, PublishError, StoredRecord};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use tokio::time::Instant;

use crate::broker::{Broker, LAYOUT, TIMEOUT, cluster, kafka};
use crate::outages::{forward, nobody};

fn outcome(account: &str, bytes: usize) -> OutcomeRecord {
    // What no codec makes small.
    let noise = (0..bytes).scan(7u32, |state, _| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((*state >> 24) as u8)
    });
    OutcomeRecord { account: Some(account.parse().unwrap()), value: noise.collect(), traceparent: None }
}

async fn published(broker: &Broker) -> Vec<StoredRecord> {
    let mut all = Vec::new();
    for partition in 0..LAYOUT.partitions {
        all.extend(broker.topics.records(OUTCOMES, partition).await.unwrap());
    }
    all
}

#[tokio::test]
async fn what_is_not_published_by_the_deadline_is_not_published_later() {
    let broker = kafka().await;
    broker.begin(1).await;
    let address = nobody();
    let log = cluster(&address, 1_000).await.outcome_log(Duration::from_secs(8)).unwrap();
    let began = Instant::now();
    let error = log.publish(&[outcome("early", 10), outcome("early", 11)], began + Duration::from_millis(300)).await;
    assert!(matches!(error, Err(PublishError::Unconfirmed { failed: 2, records: 2, .. })), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(1), "took {:?}", began.elapsed());
    // Given up by whoever asked, at a moment of theirs.
    let dropped = [outcome("dropped", 12)];
    let publishing = log.publish(&dropped, Instant::now() + TIMEOUT);
    tokio::time::timeout(Duration::from_millis(100), publishing).await.unwrap_err();
    forward(&address, broker.address.clone());
    assert_eq!(log.publish(&[outcome("late", 13)], Instant::now() + TIMEOUT).await, Ok(vec![]));
    let keys: Vec<_> = published(&broker).await.into_iter().filter_map(|record| record.key).collect();
    assert_eq!(keys, [b"late"]);
}

#[tokio::test]
async fn an_outcome_that_is_too_large_is_named_and_the_others_are_published() {
    let broker = kafka().await;
    broker.begin(1).await;
    let log = broker.outcome_log();
    // librdkafka itself sends no record of more than 1,000,000 bytes.
    let records = [outcome("a", 10), outcome("a", 1_100_000), outcome("a", 11)];
    assert_eq!(log.publish(&records, Instant::now() + TIMEOUT).await, Ok(vec![1]));
    let lengths = |records: Vec<StoredRecord>| -> Vec<_> {
        records.into_iter().map(|record| record.value.unwrap().len()).collect()
    };
    assert_eq!(lengths(published(&broker).await), [10, 11]);
    // What the topic takes at once is less than what comes at once: all of it comes through that fits by itself.
    take_at_most(&broker, 4_000).await;
    let mut records: Vec<_> = (0..40).map(|number| outcome("b", 500 + number)).collect();
    records.insert(7, outcome("b", 5_000));
    records.insert(30, outcome("b", 6_000));
    assert_eq!(log.publish(&records, Instant::now() + TIMEOUT).await, Ok(vec![7, 30]));
    let mut lengths =
        lengths(published(&broker).await.into_iter().filter(|record| record.key.as_deref() == Some(b"b")).collect());
    lengths.sort_unstable();
    assert_eq!(lengths, (500..540).collect::<Vec<_>>());
}

async fn take_at_most(broker: &Broker, bytes: u32) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &broker.address).create().unwrap();
    let bytes = bytes.to_string();
    let change = AlterConfig::new(ResourceSpecifier::Topic(OUTCOMES)).set("max.message.bytes", &bytes);
    for changed in admin.alter_configs([&change], &AdminOptions::new()).await.unwrap() {
        changed.unwrap();
    }
}
