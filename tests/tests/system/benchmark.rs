//! The seed's own command line: nothing fails, and the books say exactly what ApacheBench says.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use system_tests::kafka::OUTCOMES;
use system_tests::{Stack, ab, operator};

use crate::shared::CALM;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!(
        &CALM, benchmark: a_thousand_requests_of_150_at_once, twenty_thousand_requests_of_150_at_once,
        twenty_thousand_requests_of_1000_at_once,
    )
}

/// As post-data.json says.
const ACCOUNT: &str = "alice";
const AMOUNT: i64 = 100;

fn a_thousand_requests_of_150_at_once(stack: &Stack) -> Result<()> {
    settles_exactly(stack, 1_000, 150)
}

fn twenty_thousand_requests_of_150_at_once(stack: &Stack) -> Result<()> {
    settles_exactly(stack, 20_000, 150)
}

fn twenty_thousand_requests_of_1000_at_once(stack: &Stack) -> Result<()> {
    settles_exactly(stack, 20_000, 1_000)
}

/// How many entries the account has, and its balance.
pub(crate) fn standing(stack: &Stack) -> Result<(i64, i64)> {
    let answer = stack.client().get(&format!("/accounts/{ACCOUNT}"))?;
    if answer.status == 404 {
        return Ok((0, 0));
    }
    let account = answer.json(200)?;
    Ok((account["sequence"].as_i64().context("sequence")?, account["balance"].as_i64().context("balance")?))
}

fn settles_exactly(stack: &Stack, requests: u32, concurrency: u32) -> Result<()> {
    operator::settle_all(stack, Duration::from_secs(30))?;
    let log = stack.kafka()?;
    let published = log.ends(OUTCOMES)?;
    let before = standing(stack)?;
    let report = ab::run(stack.url(), requests, concurrency)?;
    ensure!((report.complete, report.failed, report.non_2xx) == (requests.into(), 0, 0), "{report:?}");
    operator::settle_all(stack, Duration::from_secs(60))?;
    let count = i64::from(requests);
    assert_eq!(standing(stack)?, (before.0 + count, before.1 + count * AMOUNT), "entries and balance");
    let outcomes = log.await_records(OUTCOMES, &published, usize::try_from(requests)?)?;
    let ids: HashSet<String> =
        outcomes.iter().map(|record| Ok(record.json()?["id"].to_string())).collect::<Result<_>>()?;
    assert_eq!(ids.len(), usize::try_from(requests)?, "outcomes");
    println!("ab -n {requests} -c {concurrency}: {:.0} requests/s", report.requests_per_second);
    Ok(())
}
