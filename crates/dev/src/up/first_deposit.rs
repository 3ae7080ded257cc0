//! The proof that a stack works: money goes in through NGINX and comes out settled.

use super::Functions;
use crate::http;
use crate::say::Step;
use crate::supervise::Supervisor;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(50);
const ACCOUNT: &str = "first-deposit";

/// How long the first deposit may take in all, and one answer of it.
struct Patience {
    in_all: Duration,
    one_answer: Duration,
}

fn patience(functions: Functions) -> Patience {
    let seconds = |in_all, one_answer| Patience {
        in_all: Duration::from_secs(in_all),
        one_answer: Duration::from_secs(one_answer),
    };
    match functions {
        Functions::LambdaLocal => seconds(60, 15),
        // The compiler comes first; and a request that waited for a function which was then compiled again is lost.
        Functions::CargoLambda => seconds(1200, 30),
    }
}

/// Returns once the deposit is posted. A part that ends meanwhile, or a signal, ends the wait.
pub(crate) fn settle(supervisor: &mut Supervisor, url: &str, functions: Functions) -> Result<()> {
    let step = Step::begin("deposit", "a first one, through NGINX");
    let Patience { in_all, one_answer } = patience(functions);
    let deadline = Instant::now() + in_all;
    if functions == Functions::CargoLambda {
        step.doing("a first one, through NGINX, once the functions are compiled");
        let health = format!("{url}/health");
        retry(supervisor, deadline, move || http::get_within(&health, one_answer)).context("`api` did not answer")?;
    }
    let door = format!("{url}/transaction");
    let accepted = retry(supervisor, deadline, move || http::post_within(&door, &deposit(), one_answer))
        .context("the first deposit was not accepted")?;
    let Some(id) = accepted["id"].as_str() else { bail!("the answer to the first deposit has no id: {accepted}") };
    let outcome = format!("{url}/transactions/{id}?wait=5");
    let settled = retry(supervisor, deadline, move || posted(http::get_within(&outcome, one_answer)?))
        .context("the first deposit was accepted, but not settled")?;
    step.done(format!("posted to account {ACCOUNT}, balance {}", settled["balance"]));
    Ok(())
}

fn deposit() -> Value {
    json!({"type": "deposit", "account": ACCOUNT, "amount": 1, "currency": "EUR", "reference": "cargo dev up"})
}

fn posted(transaction: Value) -> Result<Value> {
    match transaction["status"].as_str() {
        Some("posted") => Ok(transaction),
        _ => bail!("it reads {transaction}"),
    }
}

/// Asks until there is an answer; looks at what happens to the parts meanwhile.
fn retry<Ask>(supervisor: &mut Supervisor, deadline: Instant, ask: Ask) -> Result<Value>
where
    Ask: Fn() -> Result<Value> + Clone + Send + 'static,
{
    loop {
        let (sender, answer) = channel();
        let ask = ask.clone();
        // Nobody listens any more when the wait was ended; the thread ends with its request.
        thread::spawn(move || sender.send(ask()).is_ok());
        let asked = loop {
            supervisor.check_start()?;
            match answer.recv_timeout(LOOK_EVERY) {
                Ok(asked) => break asked,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("a request ended without an answer or an error"),
            }
        };
        match asked {
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => thread::sleep(LOOK_EVERY),
            answer => return answer,
        }
    }
}
