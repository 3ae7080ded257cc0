//! `cargo dev test`: every check and every test, against real stores on free ports; or those of some packages, or the quick
//! ones. `cargo dev ci` adds what the README says, done in a fresh clone.
//!
//! Every step runs, also after one has failed; the last lines say how each ended, and the exit code is that of all.

mod needs;
mod plan;
mod tally;

use crate::exit;
use crate::prepare::{self, Pinned, build, machine};
use crate::steps::{self, Finished};
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use crate::{check, docs, readme};
use anyhow::{Context, Result, bail};
use clap::Args;
use needs::Need;
use plan::{Lints, Plan};
use std::env;
use std::ffi::OsString;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;
use tally::Tally;

/// Variables that tell tests where the stores are, and by which program they start a stack.
type Told = Vec<(&'static str, OsString)>;

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Leave out the lints: rustfmt, clippy, and without -p or --quick what `cargo dev check` and `cargo dev docs` do
    #[arg(long)]
    no_lints: bool,
    /// rustfmt, clippy, unit tests, the suites that every store and log has to pass, and a few trips through a whole stack
    #[arg(long, conflicts_with_all = ["packages", "cargo", "tests"])]
    quick: bool,
    /// Only this package: rustfmt, clippy and its tests, with the stores that they need; may be given more than once
    #[arg(short, long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Passed on to cargo test, for example `--test conformance`
    #[arg(allow_hyphen_values = true, value_name = "CARGO TEST ARGUMENTS")]
    cargo: Vec<String>,
    /// Passed on to the tests, for example `-- kill` or `-- --nocapture`
    #[arg(last = true, value_name = "TEST ARGUMENTS")]
    tests: Vec<String>,
}

/// Options of this command; among what is passed on to cargo they would mean something else.
const OURS: [&str; 6] = ["-p", "--package", "--quick", "--no-lints", "--workspace", "--all"];

impl TestArgs {
    fn check(&self) -> Result<()> {
        let is_ours = |word: &&String| OURS.iter().any(|ours| word.split('=').next() == Some(ours));
        match self.cargo.iter().find(is_ours) {
            Some(word) if OURS[..4].iter().any(|ours| word.starts_with(ours)) => {
                bail!("put {word} before what is passed on to cargo test")
            }
            Some(word) => bail!("{word} is taken for granted where no -p is given: leave it out"),
            None => Ok(()),
        }
    }
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
    args.check()?;
    let needs_of = needs::of_packages(workspace)?;
    if let Some(unknown) = args.packages.iter().find(|package| !needs_of.contains_key(*package)) {
        let known: Vec<&str> = needs_of.keys().map(String::as_str).collect();
        bail!("there is no package {unknown}; there are {}", known.join(", "));
    }
    let plan = Plan::of(args, &needs_of);
    prepare_for(workspace, &plan)?;
    let mut bench = Workbench::new()?;
    let mut tally = Tally::default();
    let steps = steps(workspace, &plan, &mut bench, &mut tally);
    let steps = steps::conclude(bench, steps)?;
    steps::summarise(&steps);
    println!("{tally}");
    Ok(steps::all_good(&steps))
}

/// What has to be installed, fetched and compiled before the first step.
fn prepare_for(workspace: &Workspace, plan: &Plan) -> Result<()> {
    let mut parts: Vec<Pinned> = plan.needs.iter().flat_map(|need| need.parts()).copied().collect();
    let everything = plan.lints == Lints::Everything;
    if everything {
        parts.extend(check::parts(check::ALL.iter()).chain(docs::PARTS));
    }
    let mut needs = prepare::needs(workspace, &parts);
    needs.extend(plan.needs.iter().flat_map(|need| need.programs()));
    needs.extend(everything.then_some(docs::NEEDS).into_iter().flatten());
    needs.extend(machine::BUILDING);
    machine::provide(&needs)?;
    prepare::parts(workspace, &parts)?;
    if everything || plan.needs.iter().any(|need| need.is_built()) { build::release(workspace) } else { Ok(()) }
}

fn steps(workspace: &Workspace, plan: &Plan, bench: &mut Workbench, tally: &mut Tally) -> Result<Vec<Finished>> {
    let mut finished = Vec::new();
    match &plan.lints {
        Lints::None => {}
        Lints::Code(packages) => finished.extend(code_lints(workspace, packages, bench)?),
        Lints::Everything => {
            finished.extend(code_lints(workspace, &[], bench)?);
            finished.extend(check::steps(workspace, check::ALL.iter(), bench)?);
            finished.push(docs::step(workspace, &docs::pages(workspace)?, bench)?);
        }
    }
    let told = start_stores(workspace, plan, bench)?;
    let tests = plan.runs.iter().map(|words| {
        let mut cargo = cargo(workspace, &["test", "--release"]);
        cargo.args(words).envs(told.iter().map(|(name, value)| (name, value)));
        cargo
    });
    finished.push(counted("tests", bench, tests, plan.is_empty_a_failure, tally)?);
    Ok(finished)
}

/// Of these packages, or of all where there are none.
fn code_lints(workspace: &Workspace, packages: &[String], bench: &mut Workbench) -> Result<[Finished; 2]> {
    let mut format = cargo(workspace, &["fmt"]);
    match packages {
        [] => format.arg("--all"),
        packages => format.args(plan::packages(packages)),
    };
    let mut clippy = cargo(workspace, &["clippy", "--release", "--all-targets"]);
    clippy.args(plan::packages(packages)).args(["--", "-D", "warnings"]);
    format.arg("--check");
    Ok([steps::run("format", bench, [format])?, steps::run("clippy", bench, [clippy])?])
}

fn cargo(workspace: &Workspace, words: &[&str]) -> Command {
    let mut cargo = build::cargo(workspace);
    cargo.args(words);
    cargo
}

/// A step whose tests are counted as they are printed. All of its programs are run.
fn counted(
    name: &'static str,
    bench: &mut Workbench,
    commands: impl Iterator<Item = Command>,
    is_empty_a_failure: bool,
    tally: &mut Tally,
) -> Result<Finished> {
    println!("\n== {name}");
    let (began, mut good) = (Instant::now(), true);
    for mut command in commands {
        let mut child = bench.spawn(command.stdout(Stdio::piped()))?;
        let counting = child.stdout.take().map(tally::count_in_passing);
        good &= bench.await_child(&mut child)?.success();
        if let Some(counted) = counting.and_then(|thread| thread.join().ok()) {
            if is_empty_a_failure && counted.is_empty() {
                println!("no test was run by {command:?}: has what it asks for another name now?");
                good = false;
            }
            *tally += counted;
        }
    }
    Ok(Finished { name, good, took: began.elapsed() })
}

/// The stores that the tests need; what they have to be told of them.
fn start_stores(workspace: &Workspace, plan: &Plan, bench: &mut Workbench) -> Result<Told> {
    let mut told = Told::new();
    if plan.needs.is_empty() {
        return Ok(told);
    }
    println!("\n== stores");
    for need in &plan.needs {
        match need {
            Need::Mongod => told.push(("PASSBOOK_TEST_MONGODB", bench.mongod(workspace)?.into())),
            Need::Kafka => told.push(("PASSBOOK_TEST_KAFKA", bench.kafka(workspace)?.into())),
            Need::Tansu => told.push(("PASSBOOK_TEST_TANSU", bench.tansu(workspace)?.into())),
            Need::Openssl => {}
            // Stacks take the functions as they were built above.
            Need::Stack => told.extend([
                ("PASSBOOK_DEV", env::current_exe().context("cannot find this program")?.into()),
                ("PASSBOOK_NO_BUILD", "1".into()),
            ]),
        }
    }
    Ok(told)
}
