//! Clients that wait, for what never comes or while MongoDB is away, starve nobody.
//!
//! Where waits took every place of `api`, `/health` took seven seconds with 64 who wait, and with 200 it was a 504. The
//! bound here is far from both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use libtest_mimic::Trial;
use system_tests::process::Paused;
use system_tests::{Answer, Client, Stack, deposit, operator, wait_until};

use crate::shared::{CALM, SHAKEN};

/// More than three environments' requests at once.
const WAITERS: usize = 200;
/// Of a request that waits for nobody.
const PROMPT: Duration = Duration::from_secs(1);

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!(
        &CALM, starving: clients_that_wait_for_what_never_comes_starve_nobody, clients_that_wait_for_outcomes_starve_nobody,
    )
}

pub(crate) fn outage_trials() -> Vec<Trial> {
    crate::trials!(
        &SHAKEN, starving: clients_that_wait_while_mongod_is_silent_are_accepted, clients_that_wait_while_mongod_is_gone_are_accepted,
    )
}

type Asked = JoinHandle<Result<Answer>>;

fn at_once(ask: impl Fn(usize) -> Result<Answer> + Clone + Send + 'static) -> Vec<Asked> {
    (0..WAITERS)
        .map(|number| {
            let ask = ask.clone();
            thread::spawn(move || ask(number))
        })
        .collect()
}

fn answers(asked: Vec<Asked>) -> Result<Vec<Answer>> {
    asked.into_iter().map(|asked| asked.join().map_err(|_| anyhow!("a client panicked"))?).collect()
}

fn clients_that_wait_for_what_never_comes_starve_nobody(stack: &Stack) -> Result<()> {
    let client = stack.client();
    let settled = client.settle(&deposit("unhindered", 1))?;
    // Of the same partition, and far past its end.
    let id = settled["id"].as_str().context("an id")?;
    let never = format!("/transactions/{}zzzzzzzz?wait=8", &id[..id.len() - 8]);
    let waiting = client.clone();
    let asked = at_once(move |_| waiting.get(&never));
    // Those beyond the bound are answered at once; when they are, the others wait.
    wait_until("most who wait have been answered", Duration::from_secs(10), || {
        Ok((asked.iter().filter(|asked| asked.is_finished()).count() > WAITERS / 2).then_some(()))
    })?;
    ensure!(asked.iter().any(|asked| !asked.is_finished()), "nobody waits");
    for _ in 0..50 {
        is_prompt(&client.get("/health")?, 200)?;
        is_prompt(&client.post(&deposit("unhindered", 1))?, 202)?;
    }
    ensure!(asked.iter().any(|asked| !asked.is_finished()), "nobody waited while others were served");
    for answer in answers(asked)? {
        ensure!(answer.json(200)?["status"] == "accepted", "{answer}");
    }
    Ok(())
}

/// Who finds no place waits briefly here, and takes up what is left of an environment.
fn clients_that_wait_for_outcomes_starve_nobody(stack: &Stack) -> Result<()> {
    let client = stack.client();
    let is_over = Arc::new(AtomicBool::new(false));
    let (waiting, ends) = (client.clone(), Arc::clone(&is_over));
    let asked = at_once(move |number| {
        let body = deposit(&format!("flowing-{}", number % 10), 1).to_string();
        loop {
            let answer = waiting.post_bytes(body.as_bytes(), &[("Prefer", "wait=8")])?;
            ensure!(matches!(answer.status, 200 | 202), "{answer}");
            if ends.load(Ordering::Relaxed) {
                return Ok(answer);
            }
        }
    });
    let prompt = (0..50).try_for_each(|_| {
        is_prompt(&client.get("/health")?, 200)?;
        is_prompt(&client.post(&deposit("unhindered", 1))?, 202)
    });
    is_over.store(true, Ordering::Relaxed);
    answers(asked)?;
    prompt
}

fn clients_that_wait_while_mongod_is_silent_are_accepted(stack: &Stack) -> Result<()> {
    stack.client().settle(&deposit("silent-0", 1))?;
    let paused = Paused::new(stack.status()?.part("mongod")?.running()?)?;
    let accepted = wait_in_vain(&stack.client(), "silent")?;
    drop(paused);
    all_are_settled(stack, "silent", accepted + 1)
}

fn clients_that_wait_while_mongod_is_gone_are_accepted(stack: &Stack) -> Result<()> {
    stack.client().settle(&deposit("gone-0", 1))?;
    let supervisor = Paused::new(stack.supervisor()?)?;
    let killed = stack.kill("mongod")?;
    let accepted = wait_in_vain(&stack.client(), "gone")?;
    drop(supervisor);
    stack.await_return("mongod", killed, Duration::from_secs(90))?;
    all_are_settled(stack, "gone", accepted + 1)
}

/// Says how many deposits of 1 were accepted.
fn wait_in_vain(client: &Client, name: &'static str) -> Result<usize> {
    let waiting = client.clone();
    let asked = at_once(move |number| {
        let body = deposit(&format!("{name}-{}", number % 10), 1).to_string();
        waiting.post_bytes(body.as_bytes(), &[("Prefer", "wait=5")])
    });
    let mut accepted = 0;
    for answer in answers(asked)? {
        answer.json(202)?;
        ensure!(answer.took < Duration::from_secs(5), "who waits for a store that is away is kept: {answer}");
        accepted += 1;
    }
    for _ in 0..20 {
        is_prompt(&client.post(&deposit(&format!("{name}-0"), 1))?, 202)?;
        accepted += 1;
    }
    Ok(accepted)
}

fn is_prompt(answer: &Answer, status: u16) -> Result<()> {
    answer.json(status)?;
    ensure!(answer.took < PROMPT, "not prompt: {answer}");
    Ok(())
}

fn all_are_settled(stack: &Stack, name: &str, deposits: usize) -> Result<()> {
    operator::settle_all(stack, Duration::from_secs(90))?;
    let client = stack.client();
    // `api` hears that the store is back with its next look, which may be one that still hangs on a dead connection.
    let balances = wait_until("the accounts are read again", Duration::from_secs(10), || {
        (0..10).map(|number| client.balance(&format!("{name}-{number}"))).collect::<Result<Vec<_>>>().map(Some)
    })?;
    assert_eq!(balances.iter().sum::<i64>(), i64::try_from(deposits)?);
    Ok(())
}
