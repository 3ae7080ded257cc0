//! The proof that a stack works: money goes in through NGINX and comes out settled.

use super::Functions;
use crate::http;
use crate::say::Step;
use crate::supervise::Supervisor;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

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
    let patience = patience(functions);
    let deadline = Instant::now() + patience.in_all;
    let body =
        json!({"type": "deposit", "account": ACCOUNT, "amount": 1, "currency": "EUR", "reference": "cargo dev up"});
    let accepted =
        retry(supervisor, deadline, || http::post_within(&format!("{url}/transaction"), &body, patience.one_answer))
            .context("the first deposit was not accepted")?;
    let Some(id) = accepted["id"].as_str() else { bail!("the answer to the first deposit has no id: {accepted}") };
    let outcome = format!("{url}/transactions/{id}?wait=5");
    let settled = retry(supervisor, deadline, || posted(http::get_within(&outcome, patience.one_answer)?))
        .context("the first deposit was accepted, but not settled")?;
    step.done(format!("posted to account {ACCOUNT}, balance {}", settled["balance"]));
    Ok(())
}

fn posted(transaction: Value) -> Result<Value> {
    match transaction["status"].as_str() {
        Some("posted") => Ok(transaction),
        _ => bail!("it reads {transaction}"),
    }
}

fn retry(supervisor: &mut Supervisor, deadline: Instant, mut ask: impl FnMut() -> Result<Value>) -> Result<Value> {
    loop {
        supervisor.check_start()?;
        match ask() {
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(100)),
            answer => return answer,
        }
    }
}
