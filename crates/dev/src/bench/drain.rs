//! `cargo dev bench drain`: how fast a full log is settled.
//!
//! A mongod and a Kafka of the benchmark's own. `api` alone runs behind lambda-local, and accepts deposits until so many are in
//! the log; then `settler` is started behind another lambda-local, and the log is watched until it is empty. The clock runs
//! from when the first of them are seen to be settled: what a group takes to be joined is not in it. With `--against`, the
//! programs of another checkout drain the same stores, in turns.

use super::DrainArgs;
use super::runtime::{Runtime, Which};
use super::wrk::{Counted, Load, Request};
use crate::checkout;
use crate::load::cost::Meter;
use crate::operator::{Lag, Operator};
use crate::part::lambda_local::Parameters;
use crate::prepare::build;
use crate::say::thousands;
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

const PARTITIONS: u16 = 8;
const CALLERS: u16 = 64;
/// A run of wrk while the log is being filled.
const SLICE_SECONDS: u16 = 2;
const DRAINED_WITHIN: Duration = Duration::from_secs(600);

/// Whose programs drain.
struct Side {
    name: &'static str,
    workspace: Workspace,
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
        let workspace = Workspace::at(checkout::against(checkout)?);
        build::release(&workspace)?;
        sides.push(Side { name: "against", workspace });
    }
    let (mongo, brokers) = (bench.mongod(workspace)?, bench.kafka(workspace)?);
    let operator = Operator::new(workspace, &brokers, &mongo);
    operator.make_topics(PARTITIONS)?;
    let parameters = Parameters { brokers, mongo, one_request_per_environment: false, env: Vec::new() };
    let door = sides[0].start("api", &parameters, bench)?;
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
        let request = Request::Deposit { wait_seconds: 0, accounts };
        let load = Load { url: &path, callers: CALLERS, seconds: SLICE_SECONDS, request };
        let Counted { failed, .. } = load.run(bench)?;
        ensure!(failed == 0, "{failed} deposits were not accepted");
    }
    Ok(())
}

fn drain(side: &Side, parameters: &Parameters, operator: &Operator, bench: &mut Workbench) -> Result<Run> {
    let full = operator.lag()?.lag;
    let settler = side.start("settler", parameters, bench)?;
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
    let has_begun = |operator: &Operator| operator.lag().map(|Lag { lag, .. }| Some(lag).filter(|lag| *lag < full));
    let from = bench.until(DRAINED_WITHIN, || has_begun(operator)).context("nothing was settled")?;
    if from == 0 {
        return Ok((full, began.elapsed()));
    }
    let since = Instant::now();
    let mut left = from;
    let drained = bench.until(DRAINED_WITHIN, || {
        left = operator.lag()?.lag;
        Ok((left == 0).then_some(()))
    });
    drained.with_context(|| format!("{left} of {full} commands were not settled in time"))?;
    Ok((from, since.elapsed()))
}

impl Side {
    fn start(&self, function: &str, parameters: &Parameters, bench: &mut Workbench) -> Result<Runtime> {
        let (workspace, logs) = (&self.workspace, format!("{function}-{}", self.name));
        Runtime::start(Which { workspace, binaries: &workspace.binaries(), function, parameters, logs: &logs }, bench)
    }
}
