//! Kafka delivers at least once: what comes again changes nothing and is answered for again.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::Value;
use system_tests::kafka::{self, COMMANDS, OUTCOMES, Record};
use system_tests::{Client, Stack, deposit, operator, withdrawal, withdrawal_request};

use crate::shared::CALM;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!(&CALM, redelivery: redelivered_records_change_nothing, redelivered_outcomes_are_published_again,
        trace_of_a_request_travels_through_the_log)
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
    let event = kafka::event(stack.brokers()?, COMMANDS, records);
    let lambda = Client::new(stack.address("lambda-local")?);
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
    let first = outcomes(&log.await_records(OUTCOMES, &start, 5)?)?;
    let middle = log.ends(OUTCOMES)?;
    deliver(stack, &records)?;
    let second = outcomes(&log.await_records(OUTCOMES, &middle, 5)?)?;
    assert_eq!(first.len(), 5, "{first:?}");
    assert_eq!(first, second);
    Ok(())
}

fn outcomes(records: &[Record]) -> Result<BTreeMap<String, Value>> {
    let outcome = |record: &Record| Ok((record.json()?["id"].to_string(), record.json()?));
    records.iter().map(outcome).collect()
}

fn trace_of_a_request_travels_through_the_log(stack: &Stack) -> Result<()> {
    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let (client, log) = (stack.client(), stack.kafka()?);
    let starts = [log.ends(COMMANDS)?, log.ends(OUTCOMES)?];
    client.settle_with(&deposit("traced", 1), &[("traceparent", TRACEPARENT)])?.json(200)?;
    for (topic, start) in [COMMANDS, OUTCOMES].into_iter().zip(&starts) {
        let records = log.await_records(topic, start, 1)?;
        let traced = records.iter().find(|record| record.key.as_deref() == Some(b"traced"));
        let traceparent = traced.with_context(|| format!("no record in {topic}"))?.header("traceparent");
        assert_eq!(traceparent, Some(TRACEPARENT.as_bytes()), "{topic}");
    }
    Ok(())
}
