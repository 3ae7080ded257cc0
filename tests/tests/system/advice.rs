//! What an operator is told when something is wrong with the log: the advice is followed as it stands, and it helps.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use system_tests::kafka::{COMMANDS, OUTCOMES};
use system_tests::logs::Expected;
use system_tests::process::{self, Paused};
use system_tests::{Options, Stack, deposit, operator, wait_until};

use crate::shared::lone_trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        lone_trial("advice::after_a_loss_the_advice_makes_the_partition_settle_again", after_a_loss_the_advice_helps),
        lone_trial(
            "advice::topics_that_break_a_promise_are_named_by_every_command",
            topics_that_break_a_promise_are_named,
        ),
    ]
}

const LOST: [Expected; 1] = [Expected {
    log: "settler",
    says: "the partition cannot be settled any further",
    why: "commands were deleted before they were settled",
}];

fn after_a_loss_the_advice_helps() -> Result<()> {
    let stack = Stack::start(Options::default())?;
    let client = stack.client();
    client.settle(&deposit("advised", 100))?;
    lose_what_is_not_settled(&stack)?;
    client.accept(&deposit("advised", 5))?;
    let advice =
        "stop `api` and the event source, `passbook topics delete`, `passbook topics create`, and start them again";
    wait_until("the settler says what to do", Duration::from_secs(60), || {
        Ok(fs::read_to_string(stack.log_file("settler"))?.contains(advice).then_some(()))
    })?;

    let lambda_local = stack.status()?.part("lambda-local")?.running()?;
    let stopped = stop_functions(&stack)?;
    succeeds(&stack, &["topics", "delete", "--yes"])?;
    let said = succeeds(&stack, &["topics", "create", "--partitions", "8"])?;
    ensure!(said.contains("generation 2 of the log begins"), "{said}");
    process::kill(lambda_local)?;
    drop(stopped);
    stack.await_return("lambda-local", lambda_local, Duration::from_secs(90))?;

    assert_eq!(client.settle(&deposit("advised", 11))?["balance"], 111);
    operator::settle_all(&stack, Duration::from_secs(30))?;
    stack.finish(&LOST)
}

/// Three deposits are accepted and deleted before any settler has seen them.
fn lose_what_is_not_settled(stack: &Stack) -> Result<()> {
    let (client, log) = (stack.client(), stack.kafka()?);
    let before = log.ends(COMMANDS)?;
    let status = stack.status()?;
    let lambda_local = status.part("lambda-local")?.running()?;
    let settlers = status.environments("settler").into_iter().map(|found| found.running());
    let settlers = settlers.collect::<Result<Vec<_>>>()?;
    ensure!(!settlers.is_empty(), "settler has no environment");
    let paused = settlers.iter().map(|settler| Paused::new(*settler)).collect::<Result<Vec<_>>>()?;
    for _ in 0..3 {
        client.accept(&deposit("advised", 1))?;
    }
    let after = log.ends(COMMANDS)?;
    let lost = before.iter().zip(&after).position(|(before, after)| before < after).context("nothing was appended")?;
    log.delete_records(COMMANDS, i32::try_from(lost)?, after[lost])?;
    process::kill(lambda_local)?;
    // Before they can begin a transaction, whose locks would outlive them.
    settlers.into_iter().try_for_each(process::kill)?;
    drop(paused);
    stack.await_return("lambda-local", lambda_local, Duration::from_secs(90))
}

/// All that writes to the log and reads from it.
fn stop_functions(stack: &Stack) -> Result<Vec<Paused>> {
    let status = stack.status()?;
    let functions = [status.environments("api"), status.environments("settler"), vec![status.part("lambda-local")?]];
    functions.concat().into_iter().map(|part| Paused::new(part.running()?)).collect()
}

fn topics_that_break_a_promise_are_named() -> Result<()> {
    let stack = Stack::start(Options::default())?;
    succeeds(&stack, &["check"])?;
    stack.kafka()?.set(OUTCOMES, "unclean.leader.election.enable", "true")?;
    for command in [&["topics", "create", "--if-missing"][..], &["topics", "describe"], &["check"]] {
        let output = operator::passbook(&stack, command)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success(), "passbook {} found nothing", command.join(" "));
        ensure!(said.contains(OUTCOMES) && said.contains("unclean.leader.election.enable"), "{command:?}: {said}");
    }
    stack.finish(&[])
}

fn succeeds(stack: &Stack, command: &[&str]) -> Result<String> {
    let output = operator::passbook(stack, command)?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "passbook {}: {said}", command.join(" "));
    Ok(said)
}
