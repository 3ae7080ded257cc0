//! Two back ends behind NGINX, and one of them killed: no request fails but those in flight on it, and no command is lost
//! or settled twice.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use system_tests::access_log::{self, Line};
use system_tests::back_end::ACCEPTED;
use system_tests::kafka::COMMANDS;
use system_tests::process::{self, Paused};
use system_tests::{BackEnd, Nginx, Stack, ab, deposit, operator, wait_until};

use crate::benchmark::standing;
use crate::front::says_nothing_internal;
use crate::shared::PAIRED;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!(
        &PAIRED, back_ends: nothing_internal_shows_in_what_api_says, https_is_spoken_here_and_in_the_container,
        environment_is_killed_under_load, back_end_is_killed_under_load, back_end_that_is_away_fails_nobody,
    )
}

const OTHER: &str = "lambda-local-2";
const WITHIN: Duration = Duration::from_secs(60);
const REQUESTS: u32 = 20_000;
const AT_ONCE: u32 = 150;
/// What one environment of `api` takes at once, in template.yaml.
const IN_ONE_ENVIRONMENT: usize = 64;

fn nothing_internal_shows_in_what_api_says(stack: &Stack) -> Result<()> {
    let client = stack.client();
    let key = [("Idempotency-Key", "shown-1")];
    for (answer, status) in [
        (client.get("/health")?, 200),
        (client.settle_with(&deposit("shown", 5), &key)?, 200),
        (client.settle_with(&deposit("shown", 5), &key)?, 200),
        (client.post(&deposit("shown", 5))?, 202),
        (client.post(&deposit("shown", -5))?, 400),
        (client.get("/accounts/nobody")?, 404),
        (client.send("DELETE", "/transaction", &[], b"")?, 405),
        (client.post_bytes(&[b' '; 70_000], &[])?, 413),
    ] {
        assert_eq!(answer.status, status, "{answer}");
        says_nothing_internal(&answer)?;
    }
    Ok(())
}

fn https_is_spoken_here_and_in_the_container(stack: &Stack) -> Result<()> {
    let (url, certificate) = stack.tls()?;
    let settled = curl(&certificate, &[&format!("{url}/transaction"), "-H", "Prefer: wait=8", "--json", DEPOSIT])?;
    assert_eq!((&settled["status"], &settled["balance"]), (&json!("posted"), &json!(5)), "{settled}");
    let untrusting =
        curl(Path::new("/dev/null"), &[&url]).err().context("a certificate that nobody trusts was taken")?;
    ensure!(untrusting.to_string().contains("certificate"), "{untrusting:#}");

    let (back_end, key) = (BackEnd::start(ACCEPTED)?, certificate.with_extension("key"));
    let said = [
        ("LISTEN", "listen {address} ssl;"),
        ("TLS", "include tls.conf;"),
        ("TLS_CERTIFICATE", certificate.to_str().context("the path is no text")?),
        ("TLS_KEY", key.to_str().context("the path is no text")?),
    ];
    let nginx = Nginx::start(&[back_end.address()], &said)?;
    curl(&certificate, &[&format!("https://{}/health", nginx.address())])?;
    assert_eq!(back_end.arrived()[0].header("X-Forwarded-Proto"), Some("https"));
    let plain = nginx.client().get("/health")?;
    plain.problem(400)?;
    says_nothing_internal(&plain)
}

const DEPOSIT: &str = r#"{"type":"deposit","account":"sealed","amount":5,"currency":"EUR"}"#;

/// As docs/nginx.md says it.
fn curl(certificate: &Path, words: &[&str]) -> Result<Value> {
    let output = Command::new("curl").args(["-sS", "--cacert"]).arg(certificate).args(words).output();
    let output = output.context("cannot run curl")?;
    ensure!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&said).with_context(|| said.to_string())
}

/// lambda-local lives on, and answers for those that were in it.
fn environment_is_killed_under_load(stack: &Stack) -> Result<()> {
    let address = stack.address(OTHER)?;
    let environment = |stack: &Stack| -> Result<Option<u32>> {
        let status = stack.status()?;
        let at_address = |part: &&&system_tests::Part| {
            part.address.as_deref().is_some_and(|its| its.starts_with(&format!("{address}/")))
        };
        Ok(status.environments("api").iter().find(at_address).and_then(|part| part.pid))
    };
    let failed = killed_under_load(stack, "environment-is-killed", || {
        let killed = environment(stack)?.context("api has no environment")?;
        process::kill(killed)?;
        wait_until("another environment", WITHIN, || Ok(environment(stack)?.filter(|now| *now != killed))).map(drop)
    })?;
    ensure!(failed <= IN_ONE_ENVIRONMENT, "{failed} failed, but only {IN_ONE_ENVIRONMENT} can have been in it");
    Ok(())
}

fn back_end_is_killed_under_load(stack: &Stack) -> Result<()> {
    let mut killed = 0;
    killed_under_load(stack, "back-end-is-killed", || {
        killed = stack.kill(OTHER)?;
        wait_until("it is gone", WITHIN, || Ok((!process::is_alive(killed)).then_some(())))
    })?;
    stack.await_return(OTHER, killed, WITHIN)?;
    let address = stack.address(OTHER)?.trim_start_matches("http://").to_owned();
    wait_until("it is sent requests again", WITHIN, || {
        let id = [("X-Request-Id", "is-it-back")];
        stack.client().send("GET", "/health", &id, b"")?.json(200)?;
        let lines = access_log::await_lines(&stack.log_file("access"), "is-it-back", 1)?;
        let attempts = lines.iter().map(Line::attempts).collect::<Result<Vec<_>>>()?;
        let answered = attempts.iter().filter_map(|attempts| attempts.last()).any(|last| last.back_end == address);
        Ok(answered.then_some(()))
    })
}

/// ApacheBench, and in the middle of it a blow at the other back end, which `kill` deals and sees land. How many requests
/// failed: only such as were in flight there.
fn killed_under_load(stack: &Stack, name: &'static str, kill: impl FnOnce() -> Result<()>) -> Result<usize> {
    operator::settle_all(stack, WITHIN)?;
    let (log, before) = (stack.kafka()?, standing(stack)?.0);
    let accepted = || -> Result<i64> { Ok(log.ends(COMMANDS)?.iter().sum()) };
    let begun = accepted()?;
    let url = stack.url().to_owned();
    let load = thread::spawn(move || ab::run_as(&url, REQUESTS, AT_ONCE, Some(name)));
    wait_until("a quarter is accepted", WITHIN, || Ok((accepted()? >= begun + i64::from(REQUESTS) / 4).then_some(())))?;
    kill()?;
    let gone = format!("it-was-gone-when-{name}");
    stack.client().send("GET", "/health", &[("X-Request-Id", &gone)], b"")?.json(200)?;
    let report = load.join().map_err(|_| anyhow!("ab panicked"))??;
    assert_eq!(report.complete, u64::from(REQUESTS));

    let log_file = stack.log_file("access");
    let gone_at = access_log::await_lines(&log_file, &gone, 1)?[0].ended_ms()?;
    let lines: Vec<Line> = access_log::await_lines(&log_file, name, usize::try_from(REQUESTS)?)?;
    lines.iter().try_for_each(Line::sent_once)?;
    let failed: Vec<_> = lines.iter().filter(|line| line.status() != 202).collect();
    failed.iter().try_for_each(|line| was_in_flight(stack, line, gone_at))?;
    assert_eq!(failed.len(), usize::try_from(report.non_2xx)?, "what ab saw fail");

    operator::settle_all(stack, WITHIN)?;
    let (entries, good) = (standing(stack)?.0 - before, i64::try_from(lines.len() - failed.len())?);
    let unknown = i64::try_from(failed.len())?;
    println!(
        "{name}: {good} accepted, {unknown} failed, {entries} settled, {:.0} requests/s",
        report.requests_per_second
    );
    ensure!((good..=good + unknown).contains(&entries), "{entries} entries of {good} accepted and {unknown} failed");
    Ok(failed.len())
}

/// It had come to the back end that was killed, and failed there, before that was gone.
fn was_in_flight(stack: &Stack, line: &Line, gone_at: u64) -> Result<()> {
    let attempts = line.attempts()?;
    let last = attempts.last().with_context(|| format!("failed without being sent anywhere: {line:?}"))?;
    let address = stack.address(OTHER)?.trim_start_matches("http://");
    ensure!(line.status() == 502 && last.back_end == address, "failed elsewhere than at {address}: {line:?}");
    ensure!(last.connected, "was refused, so it could have gone to the other: {line:?}");
    ensure!(line.began_ms()? <= gone_at, "failed though it came when the killed one was gone: {line:?}");
    Ok(())
}

fn back_end_that_is_away_fails_nobody(stack: &Stack) -> Result<()> {
    let supervisor = Paused::new(stack.supervisor()?)?;
    let killed = stack.kill(OTHER)?;
    wait_until("it is gone", WITHIN, || Ok((!process::is_alive(killed)).then_some(())))?;
    let client = stack.client();
    for _ in 0..50 {
        client.accept(&deposit("one-is-away", 1))?;
        client.get("/health")?.json(200)?;
    }
    drop(supervisor);
    stack.await_return(OTHER, killed, WITHIN)?;
    operator::settle_all(stack, WITHIN)?;
    assert_eq!(client.balance("one-is-away")?, 50);
    Ok(())
}
