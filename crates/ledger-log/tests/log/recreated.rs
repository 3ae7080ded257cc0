//! A command topic that is deleted and created anew while a client writes to it.

use std::time::Instant;

use ledger::{AccountId, Position};
use ledger_log::{AppendError, Appended, CommandLog, NewRecord};

use crate::broker::{Broker, TIMEOUT, kafka, tansu};

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

async fn append(log: &dyn CommandLog) -> Result<Appended, AppendError> {
    let account: AccountId = "alice".parse().unwrap();
    let generation = log.generation().await?;
    log.append(NewRecord { account: &account, generation, value: b"{}", traceparent: None }).await
}
