//! Starting, stopping, starting again, two side by side.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use libtest_mimic::Trial;
use system_tests::logs::Expected;
use system_tests::process::{self, Identity, Kind};
use system_tests::{
    Client, Load, Options, Stack, Status, Tally, deposit, dev_program, kill_what_is_left, operator, root, wait_until,
};

use crate::shared::{CALM, lone_trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        lone_trial(
            "lifecycle::data_survives_and_stacks_stand_side_by_side",
            data_survives_and_stacks_stand_side_by_side,
        ),
        lone_trial(
            "lifecycle::interrupt_under_load_loses_nothing_and_leaves_nothing",
            interrupt_under_load_loses_nothing_and_leaves_nothing,
        ),
        lone_trial("lifecycle::one_request_per_environment_settles_too", one_request_per_environment_settles_too),
        lone_trial("lifecycle::embedded_broker_forgets_and_money_stays", embedded_broker_forgets_and_money_stays),
        lone_trial("lifecycle::embedded_broker_that_is_killed_comes_back", embedded_broker_that_is_killed_comes_back),
    ]
}

/// Two of its appends may come to write one place at once: it turns one away, which is sent again.
const EMBEDDED: [Expected; 1] =
    [Expected { log: "tansu", says: "tansu_storage", why: "the embedded broker calls it an error to be asked again" }];

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

    let supervisor = stack.supervisor()?;
    process::kill(supervisor)?;
    wait_until("the killed supervisor is gone", Duration::from_secs(20), || {
        Ok((!process::is_alive(supervisor)).then_some(()))
    })?;
    stack.up()?;
    assert_eq!(stack.client().settle(&deposit("twin", 1))?["balance"], 702, "after a supervisor that was killed");
    operator::settle_all(&stack, Duration::from_secs(20))?;
    stack.finish(&[])
}

fn up_on_a_running_stack_says_so(stack: &Stack) -> Result<()> {
    let before = stack.status()?;
    let said = stack.dev(&["up", "--detach"])?;
    ensure!(said.contains("runs already") && said.contains(stack.url()), "{said}");
    let pids = |status: &Status| status.parts.iter().map(|part| part.pid).collect::<Vec<_>>();
    assert_eq!(pids(&stack.status()?), pids(&before), "{said}");
    Ok(())
}

/// A person's Ctrl-C while clients are busy: what was accepted is settled, and nothing runs on.
fn interrupt_under_load_loses_nothing_and_leaves_nothing() -> Result<()> {
    let mut stack = Stack::not_yet_up(Options::default())?;
    let said = File::create(stack.data().join("up.log"))?;
    let mut up = Command::new(dev_program()?);
    up.args(["up", "--port", "0", "--data"]).arg(stack.data()).current_dir(root());
    let mut up = up.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said).spawn().context("cannot run dev up")?;
    let ended = interrupt_under_load(&mut up, stack.data());
    // Whatever went wrong, nothing stays behind.
    let known = ended.as_ref().map(|(processes, _)| processes.clone()).unwrap_or_default();
    let left = kill_what_is_left(known, stack.data());
    up.wait()?;
    let said = fs::read_to_string(stack.data().join("up.log")).unwrap_or_default();
    let (_, tallies) = ended.with_context(|| said.clone())?;
    ensure!(left.is_empty(), "left behind by dev up: {left:?}");
    ensure!(said.contains("everything accepted is settled"), "{said}");

    stack.up()?;
    operator::settle_all(&stack, Duration::from_secs(20))?;
    tallies.iter().try_for_each(|tally| tally.reconcile(&stack.client()))?;
    stack.finish(&[])
}

/// Gives the processes that the stack had, and what its clients were answered.
fn interrupt_under_load(up: &mut Child, data: &Path) -> Result<(Vec<Identity>, Vec<Tally>)> {
    let status = wait_until("the stack in the foreground is ready", Duration::from_secs(120), || {
        ensure!(up.try_wait()?.is_none(), "dev up has ended");
        Ok(Some(Status::of(data)?).filter(|status| status.ready))
    })?;
    let processes = status.processes();
    let load = Load::start(&Client::new(status.url.as_deref().unwrap_or_default()), "interrupted");
    load.await_more(400, Duration::from_secs(30))?;
    process::send(up.id(), Kind::SIGINT)?;
    let ended = wait_until("dev up ends", Duration::from_secs(60), || Ok(up.try_wait()?))?;
    ensure!(ended.success(), "dev up: {ended}");
    Ok((processes, load.stop()?))
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
    killing_an_environment_costs_one_request_at_most(&stack)?;
    operator::settle_all(&stack, Duration::from_secs(20))?;
    stack.finish(&[])
}

fn killing_an_environment_costs_one_request_at_most(stack: &Stack) -> Result<()> {
    let (client, patience) = (stack.client(), Duration::from_secs(30));
    let load = Load::start(&client, "plain-killed");
    load.await_more(200, patience)?;
    let status = stack.status()?;
    process::kill(status.environments("api").first().context("api has no environment")?.running()?)?;
    load.await_more(200, patience)?;
    let tallies = load.stop()?;
    operator::settle_all(stack, patience)?;
    tallies.iter().try_for_each(|tally| tally.reconcile(&client))?;
    let failed: usize = tallies.iter().map(|tally| tally.unknown).sum();
    ensure!(failed <= 1, "{failed} requests failed, but one at most was in flight there");
    Ok(())
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
    stack.finish(&EMBEDDED)
}

/// What it held is lost, which is said; then its topics are made again and deposits settle as before.
fn embedded_broker_that_is_killed_comes_back() -> Result<()> {
    let stack = Stack::start(Options { args: vec!["--broker", "embedded"], ..Options::default() })?;
    let client = stack.client();
    client.settle(&deposit("forgotten", 100))?;
    let killed = stack.kill("tansu")?;
    stack.await_return("tansu", killed, Duration::from_secs(90))?;
    assert_eq!(client.settle(&deposit("forgotten", 11))?["balance"], 111);
    let said = fs::read_to_string(stack.log_file("up"))?;
    for line in ["all it held is lost", "is back at", "generation 2"] {
        ensure!(said.contains(line), "{line:?} was to be said:\n{said}");
    }
    stack.finish(&EMBEDDED)
}
