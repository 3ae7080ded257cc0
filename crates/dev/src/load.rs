//! `cargo dev load`: puts ApacheBench on the running stack, waits until all of it is settled, and prints what it took:
//! one line a measure.
//!
//! CPU time is the kernel's account of each part's processes, over the run and the settling after it, by the number of
//! accepted requests. It moves far less with what else the machine does than times of the clock do; what else there
//! was is printed too.

pub(crate) mod ab;
pub(crate) mod cost;

use crate::cli::DataArgs;
use crate::exit;
use crate::operator::{Lag, Operator};
use crate::prepare::machine;
use crate::say::{line, seconds, thousands};
use crate::stack::{self, StackFile};
use crate::workspace::Workspace;
use ab::Run;
use anyhow::{Context, Result, bail};
use clap::Args;
use cost::Meter;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

/// How long what was accepted may take to settle.
const SETTLING_AT_MOST: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Requests in all [default: 20000; with neither this nor --concurrency three runs: 1,000 and 20,000 over 150
    /// connections, 20,000 over 1,000]
    #[arg(long, short = 'n', value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    requests: Option<u32>,
    /// Requests at a time [default: 150]
    #[arg(long, short = 'c', value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: Option<u32>,
    /// Keep connections open between requests
    #[arg(long, short = 'k')]
    keep_alive: bool,
    #[command(flatten)]
    stack: DataArgs,
}

/// Exits 1 when any request failed, was answered other than 2xx, or was not settled in time.
pub(crate) fn run(workspace: &Workspace, args: &LoadArgs) -> Result<ExitCode> {
    let dir = workspace.stack_dir(args.stack.data.as_deref())?;
    let file = stack::running(&dir)?;
    machine::provide(&[machine::AB])?;
    let body = workspace.file("post-data.json");
    if !body.exists() {
        bail!("{} is missing: the body that ApacheBench posts", body.display());
    }
    let mut all_good = true;
    for run in runs(args) {
        all_good &= measure(workspace, &file, &run)?;
        println!();
    }
    Ok(exit::when(all_good))
}

/// The command line everybody compares by, then longer, then with more at a time.
fn runs(args: &LoadArgs) -> Vec<Run> {
    let run = |requests, concurrency| Run { requests, concurrency, keep_alive: args.keep_alive };
    if args.requests.is_none() && args.concurrency.is_none() {
        return vec![run(1_000, 150), run(20_000, 150), run(20_000, 1_000)];
    }
    let requests = args.requests.unwrap_or(20_000);
    vec![run(requests, args.concurrency.unwrap_or(150).min(requests))]
}

fn measure(workspace: &Workspace, file: &StackFile, run: &Run) -> Result<bool> {
    let operator = Operator::new(workspace, &file.brokers, &file.mongo);
    let before = operator.lag()?;
    let words = run.words(&file.url);
    println!("ab {}", words.join(" "));
    let meter = Meter::start(file);
    let began = Instant::now();
    let said = run_ab(workspace, &words)?;
    let counted = ab::parse(&said)?;
    let after = settled(&operator, began)?;
    let settling = began.elapsed();
    let cost = meter.stop();
    let settled = after.settled().saturating_sub(before.settled());
    report(&counted, settled, settling, &after, &cost.per_request(counted.good()), cost.others_percent());
    Ok(counted.good() == counted.complete && after.lag == 0)
}

pub(crate) fn run_ab(workspace: &Workspace, words: &[String]) -> Result<String> {
    let mut command = Command::new(machine::program("ab")?);
    let output = command.args(words).current_dir(workspace.root()).output().context("cannot run ab")?;
    if !output.status.success() {
        bail!("ab gave up: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The lag once it is gone, or what is left of it when that takes too long.
pub(crate) fn settled(operator: &Operator, began: Instant) -> Result<Lag> {
    loop {
        let lag = operator.lag()?;
        if lag.lag == 0 || began.elapsed() > SETTLING_AT_MOST {
            return Ok(lag);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn report(counted: &ab::Counted, settled: u64, settling: Duration, after: &Lag, cost: &str, others: u64) {
    let good = thousands(counted.good());
    let bad = format!("{} failed, {} not 2xx", counted.failed, counted.non_2xx);
    line(
        "accepted",
        format!("{}/s  ({good} of {}; {bad})", thousands(counted.per_second), thousands(counted.complete)),
    );
    line("p50", format!("{} ms", counted.p50_ms));
    line("p99", format!("{} ms", counted.p99_ms));
    let millis = u64::try_from(settling.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = settled.saturating_mul(1000) / millis;
    line("settled", format!("{}/s  ({} within {})", thousands(rate), thousands(settled), seconds(settling)));
    line("cpu/request", cost);
    line("lag left", after.lag);
    let doubt = if others > 10 { ": repeat it when the machine is quiet" } else { "" };
    line("others", format!("{others} % of the machine went to other programs{doubt}"));
}
