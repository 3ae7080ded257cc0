//! `cargo dev bench watch`: lambda-local beside `cargo lambda watch`, by what a bare call of a function takes.
//!
//! Both run the same `api`, compiled with the same profile, on a mongod and a Kafka of the benchmark's own. wrk asks each
//! for `/health` through its function URL, in turns: `api` answers that by itself, so what is measured is the runtime.

use super::WatchArgs;
use super::runtime::{Runtime, Which};
use super::wrk::{Counted, Load, Request};
use crate::operator::Operator;
use crate::part::lambda_local::Parameters;
use crate::say::thousands;
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::{Result, ensure};

const FUNCTION: &str = "api";

/// Of a runtime: its name, and the URL that is asked.
struct Side {
    name: &'static str,
    url: String,
}

impl Side {
    fn of(name: &'static str, address: &str) -> Self {
        Self { name, url: format!("{address}/lambda-url/{FUNCTION}/health") }
    }

    fn ask(&self, callers: u16, seconds: u16, bench: &mut Workbench) -> Result<Counted> {
        let load = Load { url: &self.url, callers, seconds, request: Request::Health };
        let counted = load.run(bench)?;
        ensure!(counted.failed == 0, "{} calls of {} failed", counted.failed, self.name);
        Ok(counted)
    }
}

pub(super) fn run(workspace: &Workspace, args: &WatchArgs, bench: &mut Workbench) -> Result<()> {
    let (mongo, brokers) = (bench.mongod(workspace)?, bench.kafka(workspace)?);
    Operator::new(workspace, &brokers, &mongo).make_topics(8)?;
    let parameters = Parameters { brokers, mongo, one_request_per_environment: false, env: Vec::new() };
    println!("cargo lambda watch compiles {FUNCTION} at the first call");
    let watch = bench.cargo_lambda(workspace, &parameters, &format!("/lambda-url/{FUNCTION}/health"))?;
    let binaries = workspace.binaries();
    let which = Which { workspace, binaries: &binaries, function: FUNCTION, parameters: &parameters, logs: FUNCTION };
    let runtime = Runtime::start(which, bench)?;
    let sides = [Side::of("lambda-local", &runtime.url), Side::of("cargo lambda watch", &watch)];
    let result = measure_all(args, &sides, bench);
    runtime.stop(bench).and(result)
}

fn measure_all(args: &WatchArgs, sides: &[Side; 2], bench: &mut Workbench) -> Result<()> {
    // The first call starts the function.
    for side in sides {
        side.ask(1, 1, bench)?;
    }
    println!("\n{:>7}  {:<18} {:>9} {:>9} {:>9}", "CALLERS", "SIDE", "A SECOND", "P50 ms", "P99 ms");
    for callers in args.callers.iter().copied() {
        let mut runs = [Vec::new(), Vec::new()];
        for _ in 0..args.rounds {
            for (side, runs) in sides.iter().zip(&mut runs) {
                runs.push(side.ask(callers, args.seconds, bench)?);
            }
        }
        let medians = runs.map(|mut runs| {
            runs.sort_by_key(|run| run.per_second(false));
            runs[runs.len() / 2]
        });
        for (side, median) in sides.iter().zip(&medians) {
            println!("{callers:>7}  {:<18} {}", side.name, row(median));
        }
        let [here, there] = medians.map(|median| median.per_second(false));
        let hundredths = here * 100 / there.max(1);
        println!("{callers:>7}  {:<18} {:>6}.{:02}", "ratio", hundredths / 100, hundredths % 100);
    }
    println!("\nmedians of {} runs of {} s", args.rounds, args.seconds);
    Ok(())
}

fn row(run: &Counted) -> String {
    let millis = |micros: u64| format!("{}.{:02}", micros / 1_000, micros % 1_000 / 10);
    format!("{:>9} {:>9} {:>9}", thousands(run.per_second(false)), millis(run.p50_micros), millis(run.p99_micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_in_calls_a_second_and_milliseconds() {
        let run = Counted {
            outcomes: 7_000,
            accepted: 0,
            failed: 0,
            p50_micros: 8_449,
            p99_micros: 20_050,
            micros: 2_000_000,
        };
        assert_eq!(row(&run), "    3,500      8.44     20.05");
    }
}
