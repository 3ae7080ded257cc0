//! Kafka delivers at least once: what comes again changes nothing and is answered for again.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use serde_json::Value;
use system_tests::kafka::{self, COMMANDS, OUTCOMES, Record};
use system_tests::{Client, Stack, deposit, operator, withdrawal, withdrawal_request};

use crate::shared::CALM;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!(&CALM, redelivery: redelivered_records_change_nothing, redelivered_outcomes_are_published_again)
}

/// One command of each fate, settled; and their records.
fn settle_some(stack: &Stack, account: &str) -> Result<Vec<Record>> {
    let (client, log) = (stack.client(), stack.kafka()?);
    let before = log.ends(COMMANDS)?;
    let key = [("Idempotency-Key", "again")];
    client.settle_with(&deposit(account, 1_000), &key)?.json(200)?;
    client.settle_with(&deposit(account, 1_000), &key)?.json(200)?;
    client.settle(&withdrawal_request(account, 300))?;
    client.settle(&withdrawal(account, 701))?;
    client.settle(&withdrawal(account, 200))?;
    log.records_since(COMMANDS, &before)
}

/// Invokes `settler` as the event source would, which must find nothing to fail at.
fn deliver(stack: &Stack, records: &[Record]) -> Result<()> {
    let event = kafka::event(&stack.brokers()?, COMMANDS, records);
    let status = stack.status()?;
    let lambda = Client::new(status.address("lambda-local")?);
    let answer = lambda.send("POST", "/2015-03-31/functions/settler/invocations", &[], event.to_string().as_bytes())?;
    ensure!(answer.header("X-Amz-Function-Error").is_none(), "{answer}");
    let failures = answer.json(200)?["batchItemFailures"].clone();
    let none = match &failures {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(by_partition) => by_partition.is_empty(),
        _ => false,
    };
    ensure!(none, "settler failed at {failures}");
    Ok(())
}

fn redelivered_records_change_nothing(stack: &Stack) -> Result<()> {
    let records = settle_some(stack, "again")?;
    ensure!(records.len() == 5, "{} records", records.len());
    let client = stack.client();
    let before = (client.account("again")?, client.book("again")?);
    deliver(stack, &records)?;
    deliver(stack, &records[2..])?;
    deliver(stack, &records[4..])?;
    assert_eq!((client.account("again")?, client.book("again")?), before);
    operator::check(stack).map(drop)
}

fn redelivered_outcomes_are_published_again(stack: &Stack) -> Result<()> {
    let log = stack.kafka()?;
    let start = log.ends(OUTCOMES)?;
    let records = settle_some(stack, "republished")?;
    let first = outcomes(&log.records_since(OUTCOMES, &start)?)?;
    let middle = log.ends(OUTCOMES)?;
    deliver(stack, &records)?;
    let second = outcomes(&log.records_since(OUTCOMES, &middle)?)?;
    assert_eq!(first.len(), 5, "{first:?}");
    assert_eq!(first, second);
    Ok(())
}

fn outcomes(records: &[Record]) -> Result<BTreeMap<String, Value>> {
    let outcome = |record: &Record| Ok((record.json()?["id"].to_string(), record.json()?));
    records.iter().map(outcome).collect()
}
