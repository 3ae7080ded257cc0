//! The same functions under `cargo lambda watch`: money moves, sample events are answered as written, an edit is live at the
//! next request, a burst is queued.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::Value;
use system_tests::logs::Expected;
use system_tests::{Options, Sources, Stack, ab, deposit, operator, root, wait_until};

use crate::events;
use crate::shared::lone_trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![lone_trial(
        "watch::edit_of_a_handler_is_live_at_the_next_request",
        edit_of_a_handler_is_live_at_the_next_request,
    )]
}

/// One function is compiled and linked in release; half a minute on two idle cores.
const COMPILED_WITHIN: Duration = Duration::from_secs(240);

const EXPECTED: [Expected; 3] = [
    Expected { log: "cargo-lambda", says: "command killed code=ForceStop", why: RESTARTED },
    Expected { log: "cargo-lambda", says: "while waiting on process", why: RESTARTED },
    Expected { log: "cargo-lambda", says: "runtime error err=io(waiting on process group)", why: RESTARTED },
];

const RESTARTED: &str = "an edit has cargo-lambda kill the functions that run, and it calls that an error";

fn edit_of_a_handler_is_live_at_the_next_request() -> Result<()> {
    let stack = Stack::start(Options { watch: Some(Sources::copy()?), ..Options::default() })?;
    let client = stack.client();
    assert_eq!(client.settle(&deposit("watched", 500))?["status"], "posted");
    events::replay_all(&stack, &[])?;
    cargo_lambda_invoke_prints_the_same_answer(&stack)?;

    stack.sources()?.edit("functions/api/src/routes.rs", "nothing stands at", "nothing whatever stands at")?;
    wait_until("the edit is live", COMPILED_WITHIN, || {
        let problem = client.get("/nowhere")?.problem(404)?;
        Ok(problem["detail"].as_str().is_some_and(|detail| detail.starts_with("nothing whatever")).then_some(()))
    })?;
    compiled_the_edited_function_alone(&stack)?;
    // settler is compiled anew too, and what came meanwhile waits for its next try.
    let id = client.accept(&deposit("watched", 1))?;
    let settled = wait_until("settler is back too", COMPILED_WITHIN, || {
        Ok(Some(client.outcome(&id)?).filter(|outcome| outcome["status"] == "posted"))
    })?;
    assert_eq!(settled["balance"], 501);

    let report = ab::run(stack.url(), 2_000, 150)?;
    ensure!((report.complete, report.failed, report.non_2xx) == (2_000, 0, 0), "{report:?}");
    operator::settle_all(&stack, Duration::from_secs(60))?;
    stack.finish(&[&EXPECTED[..], &events::EXPECTED].concat())
}

fn cargo_lambda_invoke_prints_the_same_answer(stack: &Stack) -> Result<()> {
    let (_, port) = stack.address("cargo-lambda")?.rsplit_once(':').context("cargo-lambda has no port")?;
    let mut invoke = Command::new(part("cargo-lambda")?);
    invoke.args(["lambda", "invoke", "settler", "--invoke-address", "127.0.0.1", "--invoke-port", port]);
    let output = invoke.args(["--data-file", "events/kafka/self-managed.json"]).current_dir(root()).output()?;
    let said = || format!("{output:?}");
    ensure!(output.status.success(), said());
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).with_context(said)?, events::answer_of_self_managed()?);
    Ok(())
}

/// A pinned program, fetched for these tests.
fn part(name: &str) -> Result<PathBuf> {
    let parts = root().join(".local/parts");
    let named = format!("{name}-");
    let found = fs::read_dir(&parts)?.flatten().find(|part| part.file_name().to_string_lossy().starts_with(&named));
    Ok(found.with_context(|| format!("no {name} in {}", parts.display()))?.path().join(name))
}

/// What the functions depend on is compiled once, by whatever command came first.
fn compiled_the_edited_function_alone(stack: &Stack) -> Result<()> {
    let said = fs::read_to_string(stack.log_file("cargo-lambda")).context("cargo-lambda has no log")?;
    let compiled = said.lines().filter_map(|line| line.trim_start().strip_prefix("Compiling "));
    let mut compiled: Vec<_> = compiled.filter_map(|rest| rest.split(' ').next()).collect();
    // An edit while it compiles begins anew.
    compiled.dedup();
    assert_eq!(compiled, ["api"]);
    Ok(())
}
