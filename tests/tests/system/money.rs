//! Money in, held, out and back, through NGINX.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use system_tests::{Stack, deposit, operator, wait_until, withdrawal, withdrawal_request};

use crate::shared::CALM;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!(
        &CALM, money: deposit_is_settled, deposit_is_accepted_then_settled, hold_is_captured, hold_is_captured_in_parts,
        hold_is_released, hold_expires_without_a_sweeper, overdraft_is_refused, account_that_is_not_there_stays_away,
        other_currency_is_refused, finished_hold_names_what_happened, statement_is_newest_first, books_balance,
    )
}

/// Balance, held and available: of an outcome or of an account.
fn sums(value: &Value) -> [i64; 3] {
    ["balance", "held", "available"].map(|name| value[name].as_i64().unwrap_or(i64::MIN))
}

fn refused(outcome: &Value, reason: &str) {
    assert_eq!((&outcome["status"], &outcome["reason"]), (&json!("refused"), &json!(reason)), "{outcome}");
}

fn capture(account: &str, request: &Value, amount: i64, is_final: bool) -> Value {
    let mut command = withdrawal(account, amount);
    command["request"] = request["id"].clone();
    command["final"] = is_final.into();
    command
}

fn release(account: &str, request: &Value) -> Value {
    json!({"type": "release", "account": account, "request": request["id"]})
}

fn deposit_is_settled(stack: &Stack) -> Result<()> {
    let outcome = stack.client().settle(&deposit("settled", 2_500))?;
    assert_eq!(outcome["status"], "posted", "{outcome}");
    assert_eq!(sums(&outcome), [2_500, 0, 2_500]);
    assert_eq!((&outcome["type"], &outcome["sequence"]), (&json!("deposit"), &json!(1)), "{outcome}");
    assert_eq!(sums(&stack.client().account("settled")?), [2_500, 0, 2_500]);
    Ok(())
}

fn deposit_is_accepted_then_settled(stack: &Stack) -> Result<()> {
    let client = stack.client();
    let answer = client.post(&deposit("accepted", 100))?;
    let accepted = answer.json(202)?;
    let id = accepted["id"].as_str().context("an id")?;
    ensure!(id.starts_with("accepted.") && accepted["status"] == "accepted", "{accepted}");
    assert_eq!(answer.header("Location"), Some(format!("/transactions/{id}").as_str()));
    let outcome = client.outcome(id)?;
    assert_eq!((&outcome["id"], &outcome["status"]), (&json!(id), &json!("posted")), "{outcome}");
    let alias = client.send(
        "POST",
        "/transactions",
        &[("Content-Type", "application/json")],
        deposit("accepted", 1).to_string().as_bytes(),
    )?;
    alias.json(202).map(drop)
}

fn hold_is_captured(stack: &Stack) -> Result<()> {
    let client = stack.client();
    client.settle(&deposit("captured", 1_000))?;
    let hold = client.settle(&withdrawal_request("captured", 600))?;
    assert_eq!(sums(&hold), [1_000, 600, 400]);
    let account = client.account("captured")?;
    assert_eq!(
        (&account["holds"][0]["id"], &account["holds"][0]["remaining"]),
        (&hold["id"], &json!(600)),
        "{account}"
    );
    let taken = client.settle(&capture("captured", &hold, 450, true))?;
    assert_eq!(sums(&taken), [550, 0, 550], "what a final capture leaves is released: {taken}");
    assert_eq!(client.account("captured")?["holds"], json!([]));
    Ok(())
}

fn hold_is_captured_in_parts(stack: &Stack) -> Result<()> {
    let client = stack.client();
    client.settle(&deposit("parts", 1_000))?;
    let hold = client.settle(&withdrawal_request("parts", 600))?;
    assert_eq!(sums(&client.settle(&capture("parts", &hold, 100, false))?), [900, 500, 400]);
    refused(&client.settle(&capture("parts", &hold, 501, true))?, "exceeds_hold");
    assert_eq!(sums(&client.settle(&capture("parts", &hold, 500, true))?), [400, 0, 400]);
    Ok(())
}

fn hold_is_released(stack: &Stack) -> Result<()> {
    let client = stack.client();
    client.settle(&deposit("released", 1_000))?;
    let hold = client.settle(&withdrawal_request("released", 600))?;
    let released = client.settle(&release("released", &hold))?;
    assert_eq!(sums(&released), [1_000, 0, 1_000], "{released}");
    assert_eq!((&released["amount"], &released["request"]), (&json!(600), &hold["id"]), "{released}");
    Ok(())
}

fn hold_expires_without_a_sweeper(stack: &Stack) -> Result<()> {
    let client = stack.client();
    client.settle(&deposit("expiring", 1_000))?;
    let mut request = withdrawal_request("expiring", 600);
    request["expires_in_seconds"] = 1.into();
    let hold = client.settle(&request)?;
    assert_eq!(sums(&hold), [1_000, 600, 400]);
    wait_until("the account reads as if the hold were gone", Duration::from_secs(10), || {
        let account = client.account("expiring")?;
        Ok((sums(&account) == [1_000, 0, 1_000] && account["holds"] == json!([])).then_some(()))
    })?;
    let late = client.settle(&capture("expiring", &hold, 600, true))?;
    refused(&late, "hold_expired");
    assert_eq!(late["detail"], format!("the hold expired at {}", hold["expires_at"].as_str().context("a time")?));
    Ok(())
}

fn overdraft_is_refused(stack: &Stack) -> Result<()> {
    let client = stack.client();
    client.settle(&deposit("overdrawn", 100))?;
    client.settle(&withdrawal_request("overdrawn", 60))?;
    for command in [withdrawal("overdrawn", 41), withdrawal_request("overdrawn", 41)] {
        let outcome = client.settle(&command)?;
        refused(&outcome, "insufficient_funds");
        assert_eq!(sums(&outcome), [100, 60, 40]);
    }
    assert_eq!(sums(&client.settle(&withdrawal("overdrawn", 40))?), [60, 60, 0]);
    Ok(())
}

fn account_that_is_not_there_stays_away(stack: &Stack) -> Result<()> {
    let client = stack.client();
    let id = client.accept(&withdrawal("nobody", 5))?;
    refused(&client.outcome(&id)?, "account_not_found");
    client.get("/accounts/nobody")?.problem(404)?;
    client.get("/accounts/nobody/transactions")?.problem(404).map(drop)
}

fn other_currency_is_refused(stack: &Stack) -> Result<()> {
    let client = stack.client();
    client.settle(&deposit("euros", 100))?;
    let dollars = json!({"type": "deposit", "account": "euros", "amount": 5, "currency": "USD"});
    refused(&client.settle(&dollars)?, "currency_mismatch");
    assert_eq!(client.balance("euros")?, 100);
    Ok(())
}

fn finished_hold_names_what_happened(stack: &Stack) -> Result<()> {
    let client = stack.client();
    client.settle(&deposit("finished", 100))?;
    let captured = client.settle(&withdrawal_request("finished", 10))?;
    let by = client.settle(&capture("finished", &captured, 10, true))?;
    let again = client.settle(&release("finished", &captured))?;
    refused(&again, "hold_captured");
    assert_eq!(again["detail"], format!("the hold was captured by {}", by["id"].as_str().context("an id")?));
    let released = client.settle(&withdrawal_request("finished", 10))?;
    client.settle(&release("finished", &released))?;
    refused(&client.settle(&capture("finished", &released, 10, true))?, "hold_released");
    let mut never = captured;
    never["id"] = "finished.000g000zzzzzzzzz".into();
    refused(&client.settle(&release("finished", &never))?, "hold_not_found");
    Ok(())
}

/// More entries than a page of the store and a page of the answer hold.
fn statement_is_newest_first(stack: &Stack) -> Result<()> {
    let client = stack.client();
    let ids = (1..=40).map(|amount| client.accept(&deposit("statement", amount))).collect::<Result<Vec<_>>>()?;
    client.outcome(&ids[39])?;
    let first = client.get("/accounts/statement/transactions?limit=7")?.json(200)?;
    let amounts = |page: &Value| -> Vec<i64> {
        page["transactions"].as_array().into_iter().flatten().filter_map(|entry| entry["amount"].as_i64()).collect()
    };
    assert_eq!(amounts(&first), [40, 39, 38, 37, 36, 35, 34]);
    let next = first["next"].as_str().context("a cursor")?;
    let second = client.get(&format!("/accounts/statement/transactions?limit=7&cursor={next}"))?.json(200)?;
    assert_eq!(amounts(&second), [33, 32, 31, 30, 29, 28, 27]);
    let all = client.book("statement")?;
    let newest_first: Vec<_> = ids.iter().rev().map(String::as_str).collect();
    assert_eq!(all.iter().filter_map(|entry| entry["id"].as_str()).collect::<Vec<_>>(), newest_first);
    assert_eq!(sums(&all[0]), [820, 0, 820]);
    Ok(())
}

fn books_balance(stack: &Stack) -> Result<()> {
    operator::settle_all(stack, Duration::from_secs(20))
}
