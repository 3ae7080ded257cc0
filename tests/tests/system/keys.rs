//! One intent, one effect: `Idempotency-Key`.

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::json;
use system_tests::{Stack, deposit, withdrawal};

use crate::shared::CALM;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!(
        &CALM, keys: same_key_and_body_give_the_first_outcome, same_key_with_another_body_is_refused,
        refusal_is_kept_under_its_key, key_without_a_wait_has_one_effect, key_that_is_no_key_is_refused,
    )
}

fn same_key_and_body_give_the_first_outcome(stack: &Stack) -> Result<()> {
    let client = stack.client();
    let key = [("Idempotency-Key", "order-1")];
    let first = client.settle_with(&deposit("keyed", 500), &key)?;
    ensure!(first.header("Idempotency-Replayed").is_none(), "{first}");
    let outcome = first.json(200)?;
    for _ in 0..2 {
        let again = client.settle_with(&deposit("keyed", 500), &key)?;
        assert_eq!(again.json(200)?, outcome);
        assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    }
    assert_eq!(client.balance("keyed")?, 500);
    Ok(())
}

fn same_key_with_another_body_is_refused(stack: &Stack) -> Result<()> {
    let client = stack.client();
    let key = [("Idempotency-Key", "order-2")];
    client.settle_with(&deposit("reused", 500), &key)?.json(200)?;
    let problem = client.settle_with(&deposit("reused", 501), &key)?.problem(422)?;
    assert_eq!(problem["type"], "/problems/idempotency-key-reused", "{problem}");
    ensure!(
        problem["detail"].as_str().is_some_and(|detail| detail.contains("amount")),
        "what differs is named: {problem}"
    );
    assert_eq!(client.balance("reused")?, 500);
    Ok(())
}

fn refusal_is_kept_under_its_key(stack: &Stack) -> Result<()> {
    let client = stack.client();
    let key = [("Idempotency-Key", "order-3")];
    let first = client.settle_with(&withdrawal("kept", 5), &key)?.json(200)?;
    assert_eq!(first["reason"], "account_not_found", "{first}");
    client.settle(&deposit("kept", 100))?;
    let again = client.settle_with(&withdrawal("kept", 5), &key)?;
    assert_eq!(again.json(200)?, first);
    assert_eq!((again.header("Idempotency-Replayed"), client.balance("kept")?), (Some("true"), 100));
    Ok(())
}

fn key_without_a_wait_has_one_effect(stack: &Stack) -> Result<()> {
    let client = stack.client();
    let body = deposit("unhurried", 500).to_string();
    let send = || client.post_bytes(body.as_bytes(), &[("Idempotency-Key", "order-4")])?.json(202);
    let (first, second) = (send()?, send()?);
    let second = second["id"].as_str().context("an id")?;
    let outcome = client.outcome(second)?;
    assert_eq!((&outcome["status"], &outcome["original"]), (&json!("replayed"), &first["id"]), "{outcome}");
    assert_eq!(client.balance("unhurried")?, 500);
    Ok(())
}

fn key_that_is_no_key_is_refused(stack: &Stack) -> Result<()> {
    let long = "k".repeat(129);
    for key in ["", long.as_str()] {
        let problem = stack.client().settle_with(&deposit("unkeyed", 1), &[("Idempotency-Key", key)])?.problem(400)?;
        assert_eq!(problem["field"], "Idempotency-Key", "{problem}");
    }
    Ok(())
}
