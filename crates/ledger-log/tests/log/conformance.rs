//! What every adapter of the two ports promises.

use std::collections::HashMap;

use futures::future::try_join_all;
use ledger::AccountId;
use ledger_log::{
    Appended, COMMANDS, CommandLog, MemoryLog, OUTCOMES, OutcomeLog, OutcomeRecord, StoredRecord, Traceparent,
};

use ledger_wire::NewCommand;
use ledger_wire::record::encode;
use tokio::time::Instant;

use crate::broker::{Broker, LAYOUT, TIMEOUT, deposit, kafka, placement, tansu};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn memory_keeps_the_promises() {
    let log = MemoryLog::new(3, 4);
    let appended = append_all(&log).await;
    check_commands(&appended, &log.commands());
    publish_all(&log).await;
    assert_eq!(log.outcomes(), outcomes());
}

#[tokio::test]
async fn kafka_keeps_the_promises() {
    broker_keeps_the_promises(&kafka().await).await;
}

#[tokio::test]
async fn tansu_keeps_the_promises() {
    broker_keeps_the_promises(&tansu().await).await;
}

async fn broker_keeps_the_promises(broker: &Broker) {
    broker.begin(3).await;
    let appended = append_all(&broker.command_log()).await;
    check_commands(&appended, &all(broker, COMMANDS).await);
    publish_all(&broker.outcome_log()).await;
    check_outcomes(&all(broker, OUTCOMES).await);
}

async fn all(broker: &Broker, topic: &'static str) -> Vec<StoredRecord> {
    let partitions = (0..LAYOUT.partitions).map(|partition| broker.topics.records(topic, partition));
    try_join_all(partitions).await.unwrap().concat()
}

/// What was to be appended, and where it came to stand.
type Asked = (NewCommand, Appended);

async fn append_all(log: &impl CommandLog) -> Vec<Asked> {
    assert!(log.append(&[], None).await.is_empty());
    let trace: Traceparent = TRACE.parse().unwrap();
    let commands: Vec<NewCommand> = (1..=200).map(|number| deposit(&account(number), number)).collect();
    let appended = log.append(&commands, Some(&trace)).await;
    commands.into_iter().zip(appended).map(|(command, appended)| (command, appended.unwrap())).collect()
}

/// One of ten; two share a placement group.
fn account(number: u32) -> AccountId {
    let id = match number % 10 {
        0 => "acme~main".to_owned(),
        1 => "acme~fees".to_owned(),
        other => format!("account-{other}"),
    };
    id.parse().unwrap()
}

fn check_commands(asked: &[Asked], stored: &[StoredRecord]) {
    assert_eq!(stored.len(), asked.len(), "every command stands in the log once");
    let at: HashMap<_, _> = stored.iter().map(|record| ((record.partition, record.offset), record)).collect();
    for (command, appended) in asked {
        let account = &command.account;
        let position = appended.position;
        assert_eq!(position.generation(), 3);
        let record = at[&(position.partition().into(), position.offset() as i64)];
        assert_eq!(record.key.as_deref(), Some(account.group().as_bytes()));
        assert_eq!(position.partition(), placement(3).partition_of(account));
        assert_eq!(record.value.as_ref(), Some(&encode(command, 3)));
        assert_eq!(record.traceparent.as_deref(), Some(TRACE));
        assert_eq!(record.recorded_at, appended.recorded_at, "the receipt tells the record's own time");
    }
    for pair in stored.windows(2).filter(|pair| pair[0].partition == pair[1].partition) {
        assert_eq!(pair[1].offset, pair[0].offset + 1);
        assert!(pair[1].recorded_at >= pair[0].recorded_at, "time does not run backwards");
    }
    for pair in asked.windows(11) {
        let ((first, before), (last, after)) = (&pair[0], &pair[10]);
        assert_eq!(first.account, last.account);
        assert_eq!(before.position.partition(), after.position.partition(), "an account has one partition");
        assert!(before.position < after.position, "in the order in which the appends were begun");
    }
}

fn outcomes() -> Vec<OutcomeRecord> {
    let mut outcomes: Vec<_> = (0..3_000)
        .map(|number| OutcomeRecord {
            account: Some(format!("account-{}", number % 10).parse().unwrap()),
            value: format!("outcome {number:05}").into_bytes(),
            traceparent: (number % 2 == 0).then(|| TRACE.parse().unwrap()),
        })
        .collect();
    outcomes.push(OutcomeRecord { account: None, value: b"outcome of nobody".to_vec(), traceparent: None });
    outcomes
}

async fn publish_all(log: &impl OutcomeLog) {
    let until = Instant::now() + TIMEOUT;
    assert_eq!(log.publish(&[], until).await, Ok(vec![]));
    assert_eq!(log.publish(&outcomes(), until).await, Ok(vec![]));
}

fn check_outcomes(stored: &[StoredRecord]) {
    let expected = outcomes();
    assert_eq!(stored.len(), expected.len());
    for outcome in &expected {
        let record = stored.iter().find(|record| record.value.as_ref() == Some(&outcome.value)).unwrap();
        let account = outcome.account.as_ref().map_or(COMMANDS, |account| account.as_str());
        assert_eq!(record.key.as_deref(), Some(account.as_bytes()));
        assert_eq!(record.traceparent.as_deref(), outcome.traceparent.as_ref().map(Traceparent::as_str));
    }
    for account in 0..10 {
        let key = format!("account-{account}").into_bytes();
        let values: Vec<_> =
            stored.iter().filter(|record| record.key.as_ref() == Some(&key)).map(|record| &record.value).collect();
        assert!(values.is_sorted(), "outcomes of one account are in the order of the batch");
    }
}
