//! Parts that stay away or stop answering: who must answer still does, who cannot says so in time.
//!
//! The supervisor is stopped meanwhile (SIGSTOP), or it would bring back at once what the test has taken away.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use system_tests::logs::Expected;
use system_tests::process::{self, Paused};
use system_tests::{Answer, Client, Stack, deposit, operator, wait_until};

use crate::shared::SHAKEN;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!(
        &SHAKEN, outage: mongod_is_away, mongod_does_not_answer, kafka_is_away, kafka_does_not_answer, api_does_not_answer,
    )
}

/// The time-out of `api` in template.yaml, and what NGINX, a replaced environment and a busy machine may add.
const ANSWERED_WITHIN: Duration = Duration::from_secs(13);
const RETURN_WITHIN: Duration = Duration::from_secs(90);

/// What the logs of the shaken stack may say.
pub(crate) const EXPECTED: [Expected; 2] = [
    Expected {
        log: "api",
        says: "Lambda Runtime API returned non-200 response\",\"status\":\"410 Gone",
        why: STALE_ANSWER,
    },
    Expected { log: "api", says: "invocation timed out or response was stale", why: STALE_ANSWER },
];

const STALE_ANSWER: &str = "api was stopped past its time-out; let go on, it answers what was given up long ago";

fn unavailable(answer: &Answer) -> Result<()> {
    answer.problem(503)?;
    ensure!(answer.header("Retry-After").is_some(), "a 503 says when to try again: {answer}");
    ensure!(answer.took < ANSWERED_WITHIN, "answered late: {answer}");
    Ok(())
}

/// Whoever asks for readiness is told in time, and that no request is to blame.
fn not_ready(client: &Client, away: &str) -> Result<()> {
    let answer = client.get("/ready")?;
    let there = if away == "log" { "store" } else { "log" };
    let said = answer.problem(503)?;
    ensure!(said[away] == "away" && said[there] == "ready", "{answer}");
    ensure!(answer.took < ANSWERED_WITHIN, "answered late: {answer}");
    Ok(())
}

fn mongod_is_away(stack: &Stack) -> Result<()> {
    let client = stack.client();
    client.settle(&deposit("storeless", 1))?;
    let supervisor = Paused::new(stack.supervisor()?)?;
    let killed = stack.kill("mongod")?;
    client.accept(&deposit("storeless", 10))?;
    unavailable(&client.get("/accounts/storeless")?)?;
    start_api_anew(stack, &client, "storeless")?;
    unavailable(&client.get("/accounts/storeless")?)?;
    drop(supervisor);
    stack.await_return("mongod", killed, RETURN_WITHIN)?;
    operator::settle_all(stack, Duration::from_secs(60))?;
    assert_eq!(client.balance("storeless")?, 111);
    Ok(())
}

/// A connection that stands and says nothing is worse than none.
fn mongod_does_not_answer(stack: &Stack) -> Result<()> {
    let client = stack.client();
    client.settle(&deposit("slow-store", 1))?;
    let paused = Paused::new(stack.status()?.part("mongod")?.running()?)?;
    client.accept(&deposit("slow-store", 10))?;
    not_ready(&client, "store")?;
    unavailable(&client.get("/accounts/slow-store")?)?;
    client.accept(&deposit("slow-store", 100))?;
    drop(paused);
    operator::settle_all(stack, Duration::from_secs(90))?;
    assert_eq!(client.balance("slow-store")?, 111);
    Ok(())
}

/// An environment of `api` that starts while MongoDB is away accepts a deposit of 100.
fn start_api_anew(stack: &Stack, client: &Client, account: &str) -> Result<()> {
    let status = stack.status()?;
    let environments = status.environments("api");
    ensure!(!environments.is_empty(), "api has no environment");
    for environment in environments {
        process::kill(environment.running()?)?;
    }
    // A request that reached the dying environment was not accepted by it; the next one meets a new environment.
    let killed_at = "an api that was started without MongoDB accepts a deposit";
    wait_until(killed_at, Duration::from_secs(20), || {
        client.get("/health")?.json(200)?;
        Ok(Some(()))
    })?;
    client.accept(&deposit(account, 100)).context(killed_at).map(drop)
}

fn kafka_is_away(stack: &Stack) -> Result<()> {
    let client = stack.client();
    client.settle(&deposit("logless", 1))?;
    let supervisor = Paused::new(stack.supervisor()?)?;
    let killed = stack.kill("kafka")?;
    let mut unknown = 0;
    for _ in 0..2 {
        unavailable(&client.post(&deposit("logless", 10))?)?;
        unknown += 1;
    }
    assert_eq!(client.balance("logless")?, 1, "what is settled can still be read");
    drop(supervisor);
    stack.await_return("kafka", killed, RETURN_WITHIN)?;
    accepts_again(stack, &client, "logless", unknown)
}

fn kafka_does_not_answer(stack: &Stack) -> Result<()> {
    let client = stack.client();
    client.settle(&deposit("slow-log", 1))?;
    let paused = Paused::new(stack.status()?.part("kafka")?.running()?)?;
    unavailable(&client.post(&deposit("slow-log", 10))?)?;
    not_ready(&client, "log")?;
    drop(paused);
    accepts_again(stack, &client, "slow-log", 1)
}

fn api_does_not_answer(stack: &Stack) -> Result<()> {
    let client = stack.client();
    client.settle(&deposit("slow-api", 1))?;
    let status = stack.status()?;
    let environments = status.environments("api");
    let paused =
        environments.iter().map(|environment| Paused::new(environment.running()?)).collect::<Result<Vec<_>>>()?;
    let answer = client.post(&deposit("slow-api", 10))?;
    answer.problem(502)?;
    ensure!(answer.took < ANSWERED_WITHIN, "answered late: {answer}");
    drop(paused);
    accepts_again(stack, &client, "slow-api", 1)
}

/// A deposit of 100 is accepted, with patience; then the account has 1, that, and 10 for each command of unknown fate
/// that was recorded after all.
fn accepts_again(stack: &Stack, client: &Client, account: &str, mut unknown: i64) -> Result<()> {
    wait_until("a deposit is accepted again", Duration::from_secs(60), || {
        let answer = client.post(&deposit(account, 100))?;
        if answer.status == 202 {
            return Ok(Some(()));
        }
        unknown += 1;
        answer.json(202).map(|_| None)
    })?;
    operator::settle_all(stack, Duration::from_secs(60))?;
    let balance = client.balance(account)?;
    let late = balance - 101;
    ensure!(late % 10 == 0 && (0..=10 * unknown).contains(&late), "balance {balance} with {unknown} of unknown fate");
    Ok(())
}
