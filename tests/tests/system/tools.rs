//! The words of `cargo dev` that look at a running stack or put something on it, each used once.

use std::fs;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use system_tests::kafka::{self, COMMANDS};
use system_tests::{Stack, deposit};

use crate::shared::CALM;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!(
        &CALM, tools: load_prints_one_line_a_measure, invoke_prints_the_answer, logs_prints_what_a_part_says,
    )
}

fn load_prints_one_line_a_measure(stack: &Stack) -> Result<()> {
    let said = stack.dev(&["load", "-n", "500", "-c", "50"])?;
    let measure = |name: &str| {
        let line = said.lines().find_map(|line| line.trim_start().strip_prefix(name));
        line.map(str::trim).with_context(|| format!("load did not say {name}:\n{said}"))
    };
    ensure!(said.starts_with("ab -n 500 -c 50") || said.contains("\nab "), "{said}");
    ensure!(measure("accepted")?.contains("(500 of 500; 0 failed, 0 not 2xx)"), "{said}");
    ensure!(measure("settled")?.contains("(500 within"), "{said}");
    ensure!(measure("p50")?.ends_with(" ms") && measure("p99")?.ends_with(" ms"), "{said}");
    ensure!(
        ["nginx", "lambda-local", "api", "settler", "kafka", "mongod"].iter().all(|part| said.contains(part)),
        "{said}"
    );
    measure("cpu/request")?;
    assert_eq!(measure("lag left")?, "0");
    Ok(())
}

fn invoke_prints_the_answer(stack: &Stack) -> Result<()> {
    let log = stack.kafka()?;
    let before = log.ends(COMMANDS)?;
    stack.client().settle(&deposit("invoked", 5))?;
    let event = kafka::event(stack.brokers()?, COMMANDS, &log.records_since(COMMANDS, &before)?);
    let file = stack.data().join("event.json");
    fs::write(&file, event.to_string())?;
    let file = file.to_str().context("the path is no text")?;
    let said = stack.dev(&["invoke", "settler", file])?;
    ensure!(said.contains("batchItemFailures"), "{said}");
    assert_eq!(stack.client().balance("invoked")?, 5, "it was settled before");
    let refused = stack.dev(&["invoke", "nobody", file]).err().context("there is no function nobody")?;
    ensure!(refused.to_string().contains("nobody"), "{refused:#}");
    Ok(())
}

fn logs_prints_what_a_part_says(stack: &Stack) -> Result<()> {
    stack.client().settle(&deposit("logged", 5))?;
    let said = stack.dev(&["logs", "settler"])?;
    ensure!(said.contains("settled a batch"), "{said}");
    let refused = stack.dev(&["logs", "nobody"]).err().context("there is no part nobody")?.to_string();
    ensure!(refused.contains("nobody has no log") && refused.contains("lambda-local"), "{refused}");
    Ok(())
}
