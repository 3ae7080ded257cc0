//! `cargo dev bench drain`: how fast a full log is settled.
//!
//! A mongod and a Kafka of the benchmark's own. `api` alone runs behind lambda-local, and accepts deposits until so many are in
//! the log; then `settler` is started behind another lambda-local, and the log is watched until it is empty. The clock runs
//! from when the first of them are seen to be settled: what a group takes to be joined is not in it. With `--against`, the
//! programs of another checkout drain the same stores, in turns.

use super::DrainArgs;
use super::wrk::{Counted, Load};
use crate::load::cost::Meter;
use crate::operator::{Lag, Operator};
use crate::part::Probe;
use crate::part::lambda_local::{self, Parameters, url, words_of_start};
use crate::prepare::build;
use crate::process::{Identity, signal_process};
use crate::say::thousands;
use crate::stack::{PartRecord, StackFile};
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const PARTITIONS: u16 = 8;
const CALLERS: u16 = 64;
/// A run of wrk while the log is being filled.
const SLICE_SECONDS: u16 = 2;
const READY_WITHIN: Duration = Duration::from_secs(60);
const DRAINED_WITHIN: Duration = Duration::from_secs(600);
/// Between two looks at the log.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Whose programs drain.
struct Side {
    name: &'static str,
    workspace: Workspace,
}

/// A lambda-local that runs one function.
struct Runtime {
    child: Child,
    url: String,
}

/// What came of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    per_second: u64,
    cost: String,
}

pub(super) fn run(workspace: &Workspace, args: &DrainArgs, bench: &mut Workbench) -> Result<()> {
    let mut sides = vec![Side { name: "this", workspace: workspace.clone() }];
    if let Some(checkout) = &args.against {
        let root = fs::canonicalize(checkout).with_context(|| format!("--against {}", checkout.display()))?;
        let workspace = Workspace::at(root);
        build::release(&workspace)?;
        sides.push(Side { name: "against", workspace });
    }
    let (mongo, brokers) = (bench.mongod(workspace)?, bench.kafka(workspace)?);
    let operator = Operator::new(workspace, &brokers, &mongo);
    operator.make_topics(PARTITIONS)?;
    let parameters = Parameters { brokers, mongo, one_request_per_environment: false, env: Vec::new() };
    let door = Runtime::start(&sides[0], "api", &parameters, bench)?;
    let result = measure_all(args, &sides, &parameters, &operator, &door, bench);
    door.stop(bench)?;
    result
}

fn measure_all(
    args: &DrainArgs,
    sides: &[Side],
    parameters: &Parameters,
    operator: &Operator,
    door: &Runtime,
    bench: &mut Workbench,
) -> Result<()> {
    println!("\n{:>8}  {:<8} {:>9}  CPU A COMMAND", "ACCOUNTS", "SIDE", "A SECOND");
    for accounts in args.accounts.iter().copied() {
        let mut runs: Vec<Vec<Run>> = vec![Vec::new(); sides.len()];
        for _ in 0..args.rounds {
            for (side, runs) in sides.iter().zip(&mut runs) {
                fill(args.commands, accounts, operator, door, bench)?;
                runs.push(drain(side, parameters, operator, bench)?);
            }
        }
        for (side, mut runs) in sides.iter().zip(runs) {
            runs.sort_by_key(|run| run.per_second);
            let Run { per_second, cost } = &runs[runs.len() / 2];
            println!("{accounts:>8}  {:<8} {:>9}  {cost}", side.name, thousands(*per_second));
        }
    }
    println!("\nmedians of {}: commands a second settled of {} at least", args.rounds, thousands(args.commands));
    Ok(())
}

/// Has deposits accepted until so many are in the log.
fn fill(commands: u64, accounts: u32, operator: &Operator, door: &Runtime, bench: &mut Workbench) -> Result<()> {
    let path = format!("{}/lambda-url/api/transaction", door.url);
    while operator.lag()?.lag < commands {
        let load = Load { url: &path, callers: CALLERS, seconds: SLICE_SECONDS, wait_seconds: 0, accounts };
        let Counted { failed, .. } = load.run(bench)?;
        ensure!(failed == 0, "{failed} deposits were not accepted");
    }
    Ok(())
}

fn drain(side: &Side, parameters: &Parameters, operator: &Operator, bench: &mut Workbench) -> Result<Run> {
    let full = operator.lag()?.lag;
    let settler = Runtime::start(side, "settler", parameters, bench)?;
    let meter = Meter::start(&settler.beside(bench)?);
    let drained = watch(full, operator, bench);
    let cost = meter.stop();
    settler.stop(bench)?;
    let (settled, took) = drained?;
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    Ok(Run { per_second: settled.saturating_mul(1_000_000) / micros, cost: cost.per_request(full) })
}

/// How many were settled from when the first were, and in which time.
fn watch(full: u64, operator: &Operator, bench: &mut Workbench) -> Result<(u64, Duration)> {
    let began = Instant::now();
    let mut first = None;
    loop {
        let Lag { lag, .. } = operator.lag()?;
        let now = Instant::now();
        let (from, since) = *first.get_or_insert((lag, now));
        if from == full {
            // Nothing yet: the next look is the first.
            first = None;
        }
        if lag == 0 {
            return Ok(if from == 0 { (full, now - began) } else { (from, now - since) });
        }
        ensure!(now - began < DRAINED_WITHIN, "{lag} of {full} commands were not settled in time");
        bench.pause(LOOK_EVERY)?;
    }
}

impl Runtime {
    fn start(side: &Side, function: &str, parameters: &Parameters, bench: &mut Workbench) -> Result<Self> {
        let logs = bench.place().join(format!("logs-{function}-{}", side.name));
        fs::create_dir_all(&logs)?;
        let (port, binaries) = (bench.free_port()?, side.workspace.binaries());
        let mut command = Command::new(side.workspace.binary("lambda-local"));
        command
            .args(words_of_start(&side.workspace, port, &binaries, &logs, parameters))
            .args(["--function", function]);
        let output = fs::File::options().create(true).append(true).open(logs.join("lambda-local.log"))?;
        command.stderr(output.try_clone()?).stdout(output);
        let runtime = Self { child: bench.spawn(&mut command)?, url: url(port) };
        let (probe, deadline) = (Probe::Http(format!("{}/health", runtime.url)), Instant::now() + READY_WITHIN);
        while !probe.answers() {
            ensure!(Instant::now() < deadline, "lambda-local is not ready; its log is in {}", logs.display());
            bench.pause(LOOK_EVERY)?;
        }
        Ok(runtime)
    }

    /// This one among the stores, for a meter.
    fn beside(&self, bench: &Workbench) -> Result<StackFile> {
        let mut file = bench.file().clone();
        let process = Identity::of(self.child.id()).context("lambda-local has ended by itself")?;
        let name = lambda_local::NAME.to_owned();
        file.parts.push(PartRecord { name, process: Some(process), address: self.url.clone(), log: None });
        Ok(file)
    }

    fn stop(mut self, bench: &mut Workbench) -> Result<()> {
        signal_process(self.child.id(), Signal::SIGTERM);
        bench.await_child(&mut self.child).map(drop)
    }
}
