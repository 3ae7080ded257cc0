//! `cargo dev test`: every check and every test, against real stores on free ports. `cargo dev ci` adds what the README
//! says, done in a fresh clone.
//!
//! Every step runs, also after one has failed; the last lines say how each ended, and the exit code is that of all.

mod tally;

use crate::exit;
use crate::prepare::{self, Pinned, build, machine};
use crate::steps::{self, Finished};
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use crate::{check, docs, readme};
use anyhow::{Context, Result};
use clap::Args;
use std::env;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;
use tally::Tally;

const PARTS: [Pinned; 5] = [Pinned::Mongod, Pinned::Kafka, Pinned::Tansu, Pinned::CargoLambda, Pinned::Rie];

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Leave out rustfmt, clippy and what `cargo dev check` and `cargo dev docs` do
    #[arg(long)]
    no_lints: bool,
    /// Passed on to cargo test, for example `-p settler` or `-- kill`; all packages unless one is named
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CARGO TEST ARGUMENTS")]
    cargo: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &TestArgs) -> Result<ExitCode> {
    Ok(exit::when(checks_and_tests(workspace, args)?))
}

pub(crate) fn ci(workspace: &Workspace, args: &TestArgs) -> Result<ExitCode> {
    let tested = checks_and_tests(workspace, args)?;
    let read = readme::check(workspace)?;
    Ok(exit::when(tested && read))
}

fn checks_and_tests(workspace: &Workspace, args: &TestArgs) -> Result<bool> {
    let mut parts = PARTS.to_vec();
    if !args.no_lints {
        parts.extend(check::parts(check::ALL.iter()).chain(docs::PARTS));
    }
    let mut needs = prepare::needs(workspace, &parts);
    needs.extend([machine::NGINX, machine::AB, machine::CURL, machine::OPENSSL, machine::JAVAC]);
    needs.extend((!args.no_lints).then_some(docs::NEEDS).into_iter().flatten());
    needs.extend(machine::BUILDING);
    machine::provide(&needs)?;
    prepare::parts(workspace, &parts)?;
    build::release(workspace)?;
    let mut bench = Workbench::new()?;
    let mut tally = Tally::default();
    let steps = steps(workspace, args, &mut bench, &mut tally);
    let steps = steps::conclude(bench, steps)?;
    summarise(&steps, &tally);
    Ok(steps::all_good(&steps))
}

fn steps(workspace: &Workspace, args: &TestArgs, bench: &mut Workbench, tally: &mut Tally) -> Result<Vec<Finished>> {
    let mut finished = Vec::new();
    if !args.no_lints {
        finished.push(steps::run("format", bench, [cargo(workspace, &["fmt", "--all", "--check"])])?);
        let clippy = ["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"];
        finished.push(steps::run("clippy", bench, [cargo(workspace, &clippy)])?);
        finished.extend(check::steps(workspace, check::ALL.iter(), bench)?);
        finished.push(docs::step(workspace, &docs::pages(workspace)?, bench)?);
    }
    let tests = tests(workspace, args, bench)?;
    finished.push(counted("tests", bench, tests, tally)?);
    Ok(finished)
}

fn cargo(workspace: &Workspace, words: &[&str]) -> Command {
    let mut cargo = build::cargo(workspace);
    cargo.args(words);
    cargo
}

/// A step whose tests are counted as they are printed.
fn counted(name: &'static str, bench: &mut Workbench, mut command: Command, tally: &mut Tally) -> Result<Finished> {
    println!("\n== {name}");
    let began = Instant::now();
    let mut child = bench.spawn(command.stdout(Stdio::piped()))?;
    let counting = child.stdout.take().map(tally::count_in_passing);
    let good = bench.await_child(&mut child)?.success();
    if let Some(counted) = counting.and_then(|thread| thread.join().ok()) {
        *tally = counted;
    }
    Ok(Finished { name, good, took: began.elapsed() })
}

/// cargo test, told where the stores are and by which program a test starts a stack of its own.
fn tests(workspace: &Workspace, args: &TestArgs, bench: &mut Workbench) -> Result<Command> {
    println!("\n== stores");
    let mut cargo = cargo(workspace, &["test", "--release"]);
    let named = args.cargo.iter().any(|word| word == "-p" || word.starts_with("--package"));
    cargo.args((!named).then_some("--workspace")).arg("--no-fail-fast").args(&args.cargo);
    cargo.env("PASSBOOK_TEST_MONGODB", bench.mongod(workspace)?);
    cargo.env("PASSBOOK_TEST_KAFKA", bench.kafka(workspace)?);
    cargo.env("PASSBOOK_TEST_TANSU", bench.tansu(workspace)?);
    cargo.env("PASSBOOK_DEV", env::current_exe().context("cannot find this program")?);
    // Stacks that tests start take the functions as they were built above.
    cargo.env("PASSBOOK_NO_BUILD", "1");
    Ok(cargo)
}

fn summarise(steps: &[Finished], tally: &Tally) {
    steps::summarise(steps);
    println!("{tally}");
}
