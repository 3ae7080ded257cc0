//! Starting, stopping, starting again, two side by side.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use system_tests::process::{self, Kind};
use system_tests::{Options, Stack, Status, deposit, dev_program, operator, root, wait_until};

use crate::shared::{CALM, lone_trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        lone_trial(
            "lifecycle::data_survives_and_stacks_stand_side_by_side",
            data_survives_and_stacks_stand_side_by_side,
        ),
        lone_trial("lifecycle::interrupt_ends_a_stack_in_the_foreground", interrupt_ends_a_stack_in_the_foreground),
        lone_trial("lifecycle::embedded_broker_forgets_and_money_stays", embedded_broker_forgets_and_money_stays),
    ]
}

fn data_survives_and_stacks_stand_side_by_side() -> Result<()> {
    let mut stack = Stack::start(Options::default())?;
    stack.client().settle(&deposit("twin", 700))?;
    CALM.with(|other| {
        other.client().settle(&deposit("twin", 5))?;
        assert_eq!(other.client().balance("twin")?, 5);
        Ok(())
    })?;
    assert_eq!(stack.client().balance("twin")?, 700);
    up_on_a_running_stack_says_so(&stack)?;

    stack.down()?;
    stack.up()?;
    assert_eq!(stack.client().balance("twin")?, 700, "after down and up");
    assert_eq!(stack.client().settle(&deposit("twin", 1))?["balance"], 701);

    process::kill(stack.supervisor()?)?;
    stack.up()?;
    assert_eq!(stack.client().settle(&deposit("twin", 1))?["balance"], 702, "after a supervisor that was killed");
    operator::settle_all(&stack, Duration::from_secs(20))?;
    stack.finish(&[])
}

fn up_on_a_running_stack_says_so(stack: &Stack) -> Result<()> {
    let before = stack.status()?;
    let said = stack.dev(&["up", "--detach"])?;
    let pids = |status: &Status| status.parts.iter().map(|part| part.pid).collect::<Vec<_>>();
    assert_eq!(pids(&stack.status()?), pids(&before), "{said}");
    Ok(())
}

fn interrupt_ends_a_stack_in_the_foreground() -> Result<()> {
    let data = tempfile::Builder::new().prefix("passbook-test-").tempdir()?;
    let said = File::create(data.path().join("up.log"))?;
    let mut up = Command::new(dev_program()?);
    up.args(["up", "--port", "0", "--data"]).arg(data.path()).current_dir(root());
    let mut up = up.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said).spawn().context("cannot run dev up")?;
    let ended = interrupt_when_ready(&mut up, data.path());
    // Whatever went wrong, nothing stays behind.
    let left = process::mentioning(&data.path().display().to_string());
    left.iter().for_each(|pid| drop(process::kill(*pid)));
    up.wait()?;
    ended.with_context(|| std::fs::read_to_string(data.path().join("up.log")).unwrap_or_default())?;
    ensure!(left.is_empty(), "left behind by dev up: {left:?}");
    Ok(())
}

fn interrupt_when_ready(up: &mut std::process::Child, data: &std::path::Path) -> Result<()> {
    wait_until("the stack in the foreground is ready", Duration::from_secs(120), || {
        ensure!(up.try_wait()?.is_none(), "dev up has ended");
        let mut status = Command::new(dev_program()?);
        let output = status.args(["status", "--json", "--data"]).arg(data).current_dir(root()).output()?;
        let status: Status = serde_json::from_slice(&output.stdout)?;
        Ok(status.ready.then_some(()))
    })?;
    process::send(up.id(), Kind::SIGINT)?;
    let status = wait_until("dev up ends", Duration::from_secs(60), || Ok(up.try_wait()?))?;
    ensure!(status.success(), "dev up: {status}");
    Ok(())
}

fn embedded_broker_forgets_and_money_stays() -> Result<()> {
    let mut stack = Stack::start(Options { args: vec!["--broker", "embedded"] })?;
    let first = stack.client().settle(&deposit("embedded", 100))?;
    stack.down()?;
    stack.up()?;
    let client = stack.client();
    assert_eq!(client.balance("embedded")?, 100);
    let second = client.settle(&deposit("embedded", 11))?;
    assert_eq!(second["balance"], 111, "{second}");
    ensure!(second["id"].as_str() > first["id"].as_str(), "a new generation: {first} then {second}");
    stack.finish(&[])
}
