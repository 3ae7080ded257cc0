//! Kafka transactions on the command topic, whose markers take offsets: what comes after them settles.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use system_tests::kafka::{COMMANDS, Ending, OUTCOMES};
use system_tests::{Stack, deposit, operator};

use crate::shared::CALM;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!(&CALM, markers: what_is_posted_after_the_markers_of_transactions_settles)
}

fn what_is_posted_after_the_markers_of_transactions_settles(stack: &Stack) -> Result<()> {
    let (client, log) = (stack.client(), stack.kafka()?);
    let (commands, outcomes) = (log.ends(COMMANDS)?, log.ends(OUTCOMES)?);
    client.settle(&deposit("marked", 100))?;
    let written = log.records_since(COMMANDS, &commands)?.pop().context("the deposit's record")?;
    let (partition, key) = (Some(written.partition), written.key.as_deref());
    let value = written.value.as_deref();
    log.append_in_transaction(COMMANDS, partition, key, value, Ending::Commit)?;
    let after = client.settle(&deposit("marked", 20))?;
    assert_eq!(after["balance"], 220, "what was committed is a command like any other: {after}");
    log.append_in_transaction(COMMANDS, partition, key, value, Ending::Abort)?;
    let after = client.settle(&deposit("marked", 3))?;
    assert_eq!(after["balance"], 323, "and so is what was aborted: whoever reads the log, it stands there: {after}");
    // Each of the six records has its outcome; a marker at the end has nobody wait.
    log.append_in_transaction(COMMANDS, partition, key, value, Ending::Commit)?;
    operator::settle_all(stack, Duration::from_secs(20))?;
    let published = log.await_records(OUTCOMES, &outcomes, 6)?;
    ensure!(published.len() == 6, "{} outcomes", published.len());
    assert_eq!(client.balance("marked")?, 423);
    Ok(())
}
