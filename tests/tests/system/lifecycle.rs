//! Starting, stopping, starting again, two side by side.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use libtest_mimic::Trial;
use system_tests::process::{self, Kind};
use system_tests::{Options, Stack, Status, deposit, dev_program, kill_what_is_left, operator, root, wait_until};

use crate::shared::{CALM, lone_trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        lone_trial(
            "lifecycle::data_survives_and_stacks_stand_side_by_side",
            data_survives_and_stacks_stand_side_by_side,
        ),
        lone_trial("lifecycle::interrupt_ends_a_stack_in_the_foreground", interrupt_ends_a_stack_in_the_foreground),
        lone_trial("lifecycle::one_request_per_environment_settles_too", one_request_per_environment_settles_too),
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
    let left = kill_what_is_left(ended.as_ref().map(Vec::clone).unwrap_or_default(), data.path());
    up.wait()?;
    ended.with_context(|| fs::read_to_string(data.path().join("up.log")).unwrap_or_default())?;
    ensure!(left.is_empty(), "left behind by dev up: {left:?}");
    Ok(())
}

/// Gives the processes that the stack had.
fn interrupt_when_ready(up: &mut Child, data: &Path) -> Result<Vec<u32>> {
    let status = wait_until("the stack in the foreground is ready", Duration::from_secs(120), || {
        ensure!(up.try_wait()?.is_none(), "dev up has ended");
        Ok(Some(Status::of(data)?).filter(|status| status.ready))
    })?;
    process::send(up.id(), Kind::SIGINT)?;
    let ended = wait_until("dev up ends", Duration::from_secs(60), || Ok(up.try_wait()?))?;
    ensure!(ended.success(), "dev up: {ended}");
    Ok(status.pids())
}

/// Plain Lambda: many environments, one request in each.
fn one_request_per_environment_settles_too() -> Result<()> {
    let stack = Stack::start(Options { args: vec!["--one-request-per-environment"], ..Options::default() })?;
    let client = stack.client();
    let waiting: Vec<_> = (0..8)
        .map(|number| {
            let client = client.clone();
            thread::spawn(move || client.settle(&deposit(&format!("plain-{number}"), 5)))
        })
        .collect();
    for request in waiting {
        let outcome = request.join().map_err(|_| anyhow!("a request panicked"))??;
        assert_eq!(outcome["status"], "posted", "{outcome}");
    }
    let environments = stack.status()?.environments("api").len();
    ensure!(environments > 1, "{environments} environments of api for eight requests at once");
    operator::settle_all(&stack, Duration::from_secs(20))?;
    stack.finish(&[])
}

fn embedded_broker_forgets_and_money_stays() -> Result<()> {
    let mut stack = Stack::start(Options { args: vec!["--broker", "embedded"], ..Options::default() })?;
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
