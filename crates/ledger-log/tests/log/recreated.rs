//! A command topic that is deleted and created anew while a client writes to it.

use std::time::Instant;

use ledger::{Position, Timestamp};
use ledger_log::{AppendError, COMMANDS};

use crate::broker::{Broker, LAYOUT, TIMEOUT, append, kafka, placement, tansu};

#[tokio::test]
async fn kafka_recreated_is_noticed() {
    a_recreated_topic_is_noticed(&kafka().await).await;
}

#[tokio::test]
async fn tansu_recreated_is_noticed() {
    a_recreated_topic_is_noticed(&tansu().await).await;
}

async fn a_recreated_topic_is_noticed(broker: &Broker) {
    broker.begin(1).await;
    let log = broker.command_log();
    for offset in 0..3 {
        assert_eq!(append(&log).await.unwrap().position.offset(), offset);
    }
    broker.topics.delete().await.unwrap();
    broker.begin(2).await;
    let started = Instant::now();
    let position = loop {
        match append(&log).await {
            Ok(appended) => break appended.position,
            Err(error) => {
                assert!(error.maybe_recorded() || matches!(error, AppendError::Misconfigured { .. }), "{error}")
            }
        }
        assert!(started.elapsed() < TIMEOUT, "never noticed");
    };
    assert_eq!(position.generation(), 2);
    assert!(position < Position::new(2, u16::MAX, 3).unwrap());
}

#[tokio::test]
async fn kafka_tells_the_records_of_two_generations_apart() {
    a_generation_begins_between_the_logs(&kafka().await, 4).await;
}

/// It keeps the time of whoever writes, so when a generation began is not known.
#[tokio::test]
async fn tansu_tells_no_time_of_its_own() {
    a_generation_begins_between_the_logs(&tansu().await, 2).await;
}

/// `known` are the times that are: of a command of each generation, and of each generation's beginning.
async fn a_generation_begins_between_the_logs(broker: &Broker, known: usize) {
    let mut times = Vec::new();
    for generation in [1, 2] {
        broker.begin(generation).await;
        let beginning = broker.topics.beginning().await.unwrap().unwrap();
        assert_eq!(beginning.placement, placement(generation));
        times.extend(beginning.began_at);
        append(&broker.command_log()).await.unwrap();
        times.extend(recorded_at(broker).await);
        broker.topics.delete().await.unwrap();
    }
    assert_eq!(times.len(), known, "{times:?}");
    assert!(times.is_sorted(), "{times:?}");
}

async fn recorded_at(broker: &Broker) -> Vec<Timestamp> {
    let mut times = Vec::new();
    for partition in 0..LAYOUT.partitions {
        let records = broker.topics.records(COMMANDS, partition).await.unwrap();
        times.extend(records.into_iter().filter_map(|record| record.recorded_at));
    }
    times
}
