//! What `passbook`, the operator's command line, says of a stack.

use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{Stack, release_binary, wait_until};

/// Debits equal credits, held equals the open holds, the fences fit the log.
pub fn check(stack: &Stack) -> Result<String> {
    let output = passbook(stack, &["check"])?;
    said(&output, "passbook check")
}

/// Commands in the log that are not settled yet.
pub fn lag(stack: &Stack) -> Result<i64> {
    let output = passbook(stack, &["lag", "--json"])?;
    let text = said(&output, "passbook lag")?;
    let lag: Value = serde_json::from_str(&text).with_context(|| format!("passbook lag --json said {text}"))?;
    lag["lag"].as_i64().with_context(|| format!("passbook lag --json said {text}"))
}

/// Waits until everything in the log is settled, and has it checked.
pub fn settle_all(stack: &Stack, within: Duration) -> Result<()> {
    let mut last = -1;
    wait_until("everything in the log is settled", within, || {
        last = lag(stack)?;
        Ok((last == 0).then_some(()))
    })
    .with_context(|| format!("the lag was {last} when last heard of"))?;
    check(stack).map(drop)
}

pub fn passbook(stack: &Stack, args: &[&str]) -> Result<Output> {
    let mut command = Command::new(release_binary("passbook"));
    command.args(args).args(["--brokers", stack.brokers()?, "--mongo", stack.address("mongod")?]);
    command.output().context("cannot run passbook")
}

fn said(output: &Output, command: &str) -> Result<String> {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{command}: {}\n{out}{}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(out)
}
