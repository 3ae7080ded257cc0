//! Parts are killed with -9 under load and come back: no accepted command is lost, none is settled twice, and each has its
//! outcome in `passbook.outcomes`.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use libtest_mimic::Trial;
use system_tests::kafka::{Ends, OUTCOMES, Record};
use system_tests::{Load, Stack, Tally, operator, process, wait_until};

use crate::shared::SHAKEN;

/// What the transaction of a killed settler has locked stays so for 15 to 23 seconds (`transactionLifetimeLimitSeconds`).
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!(
        &SHAKEN, chaos: api_is_killed_under_load, settler_is_killed_under_load, lambda_local_is_killed_under_load,
        mongod_is_killed_under_load, kafka_is_killed_under_load,
    )
}

/// Accepted before the blow, and again after it.
const SOME: usize = 400;

/// Kafka reads its segments again after a kill, on a busy machine for a while.
const RETURN_WITHIN: Duration = Duration::from_secs(90);

fn under_load(stack: &Stack, name: &str, disturb: impl FnOnce(&Load) -> Result<()>) -> Result<()> {
    let client = stack.client();
    let published_before = stack.kafka()?.ends(OUTCOMES)?;
    let load = Load::start(&client, name);
    load.await_more(SOME, Duration::from_secs(30))?;
    disturb(&load)?;
    load.await_more(SOME, Duration::from_secs(60))?;
    let tallies = load.stop()?;
    operator::settle_all(stack, SETTLED_WITHIN)?;
    for tally in &tallies {
        println!(
            "{}: {} accepted, {} unknown, slowest {:?}",
            tally.account,
            tally.accepted.len(),
            tally.unknown,
            tally.slowest
        );
        tally.reconcile(&client)?;
    }
    all_are_published(stack, &published_before, &tallies)
}

/// Outcomes are published after the commit, at least once: a settler that died in between is made up for.
fn all_are_published(stack: &Stack, before: &Ends, tallies: &[Tally]) -> Result<()> {
    wait_until("every accepted command has its outcome published", SETTLED_WITHIN, || {
        let records = stack.kafka()?.records_since(OUTCOMES, before)?;
        let mut published = HashSet::new();
        for outcome in records.iter().map(Record::json) {
            published.extend(outcome?["id"].as_str().map(str::to_owned));
        }
        let mut accepted = tallies.iter().flat_map(|tally| &tally.accepted);
        Ok(accepted.all(|accepted| published.contains(&accepted.id)).then_some(()))
    })
}

/// Kills every environment of a function, several times, each time once another has come.
fn kill_environments(stack: &Stack, function: &str, load: &Load) -> Result<()> {
    for _ in 0..3 {
        let killed = wait_until(&format!("{function} has an environment"), Duration::from_secs(30), || {
            Ok(Some(environments(stack, function)?).filter(|now| !now.is_empty()))
        })?;
        killed.iter().try_for_each(|pid| process::kill(*pid))?;
        wait_until(&format!("{function} has another environment"), Duration::from_secs(30), || {
            let now = environments(stack, function)?;
            Ok((!now.is_empty() && now.iter().all(|pid| !killed.contains(pid))).then_some(()))
        })?;
        load.await_more(SOME / 4, Duration::from_secs(30))?;
    }
    Ok(())
}

fn environments(stack: &Stack, function: &str) -> Result<Vec<u32>> {
    Ok(stack.status()?.environments(function).iter().filter_map(|environment| environment.pid).collect())
}

fn api_is_killed_under_load(stack: &Stack) -> Result<()> {
    under_load(stack, "kill-api", |load| kill_environments(stack, "api", load))
}

fn settler_is_killed_under_load(stack: &Stack) -> Result<()> {
    under_load(stack, "kill-settler", |load| kill_environments(stack, "settler", load))
}

/// With it dies the process that polls the log, and every environment.
fn lambda_local_is_killed_under_load(stack: &Stack) -> Result<()> {
    under_load(stack, "kill-lambda-local", |_| kill_part(stack, "lambda-local"))
}

/// The door goes on accepting meanwhile: that needs no MongoDB.
fn mongod_is_killed_under_load(stack: &Stack) -> Result<()> {
    under_load(stack, "kill-mongod", |_| kill_part(stack, "mongod"))
}

fn kafka_is_killed_under_load(stack: &Stack) -> Result<()> {
    under_load(stack, "kill-kafka", |_| kill_part(stack, "kafka"))
}

fn kill_part(stack: &Stack, name: &str) -> Result<()> {
    let killed = stack.kill(name)?;
    stack.await_return(name, killed, RETURN_WITHIN)
}
