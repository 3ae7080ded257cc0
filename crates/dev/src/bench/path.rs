//! `cargo dev bench path`: what callers feel, from NGINX to the outcome, and what a request costs each part.
//!
//! A stack of its own is started, and beside it, with `--against`, that of another checkout, by its own `cargo dev up`: so two
//! commits are compared whole, template and NGINX included. They take turns, one measure on the one and then on the other, and
//! the one that is not measured is idle. wrk makes the load: deposits over a thousand accounts, on connections that stay
//! open. A caller who waits sends `Prefer: wait`, and its answer is the outcome; one who does not is answered when the
//! command is in the log, and the run is over when all of it is settled, too.

use super::PathArgs;
use super::own_stack::OwnStack;
use super::wrk::{Counted, Load, Request};
use crate::checkout;
use crate::load::cost::{Cost, Meter};
use crate::load::settled;
use crate::operator::Operator;
use crate::say::thousands;
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::{Result, ensure};
use std::time::Instant;

/// How long a caller waits who does: as long as anybody may.
const WAIT_SECONDS: u16 = 8;
const ACCOUNTS: u32 = 1_000;

/// A stack that is measured.
struct Side {
    name: &'static str,
    stack: OwnStack,
}

/// A measure: so many callers, who wait for the outcome or do not.
#[derive(Debug, Clone, Copy)]
struct Measure {
    callers: u16,
    waits: bool,
}

/// What came of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    counted: Counted,
    /// Until all of it was settled.
    cost: String,
    others_percent: u64,
}

pub(super) fn run(workspace: &Workspace, args: &PathArgs, bench: &mut Workbench) -> Result<()> {
    let mut sides = vec![Side { name: "this", stack: OwnStack::of(workspace.root(), "this", bench) }];
    if let Some(checkout) = &args.against {
        let stack = OwnStack::of(&checkout::against(checkout)?, "against", bench);
        sides.push(Side { name: "against", stack });
    }
    let started: Result<()> = sides.iter().try_for_each(|side| side.stack.up(workspace, bench));
    let result = started.and_then(|()| measure_all(workspace, args, &sides, bench));
    let ended: Vec<_> = sides.iter().map(|side| side.stack.down(workspace, bench)).collect();
    result.and_then(|()| ended.into_iter().collect())
}

fn measure_all(workspace: &Workspace, args: &PathArgs, sides: &[Side], bench: &mut Workbench) -> Result<()> {
    println!(
        "\n{:>7}  {:<5} {:<8} {:>9} {:>9} {:>9}  CPU A REQUEST",
        "CALLERS", "WAIT", "SIDE", "A SECOND", "P50 ms", "P99 ms"
    );
    // What a broker and a function do for the first time takes longer.
    let warm_up = Measure { callers: 64, waits: false };
    for side in sides {
        measure_once(workspace, side, warm_up, args.seconds, bench)?;
    }
    for waits in [true, false] {
        for callers in args.callers.iter().copied() {
            let measure = Measure { callers, waits };
            let mut runs: Vec<Vec<Run>> = vec![Vec::new(); sides.len()];
            for _ in 0..args.rounds {
                for (side, runs) in sides.iter().zip(&mut runs) {
                    runs.push(measure_once(workspace, side, measure, args.seconds, bench)?);
                }
            }
            for (side, runs) in sides.iter().zip(runs) {
                println!("{callers:>7}  {:<5} {:<8} {}", if waits { "yes" } else { "no" }, side.name, row(waits, runs));
            }
        }
    }
    println!(
        "\nmedians of {} runs of {} s; outcomes where callers wait, answers where they do not",
        args.rounds, args.seconds
    );
    Ok(())
}

fn measure_once(
    workspace: &Workspace,
    side: &Side,
    measure: Measure,
    seconds: u16,
    bench: &mut Workbench,
) -> Result<Run> {
    let file = side.stack.file()?;
    let meter = Meter::start(&file);
    let wait_seconds = if measure.waits { WAIT_SECONDS } else { 0 };
    let url = format!("{}/transaction", file.url);
    let request = Request::Deposit { wait_seconds, accounts: ACCOUNTS };
    let load = Load { url: &url, callers: measure.callers, seconds, request };
    let counted = load.run(bench)?;
    ensure!(counted.failed == 0, "{} of {} requests failed: {measure:?}", counted.failed, side.name);
    let lag = settled(&Operator::new(workspace, &file.brokers, &file.mongo), Instant::now())?;
    ensure!(lag.lag == 0, "{} commands of {} were not settled in time", lag.lag, side.name);
    let cost: Cost = meter.stop();
    Ok(Run { counted, cost: cost.per_request(counted.answers()), others_percent: cost.others_percent() })
}

/// The medians, each by itself; the cost is that of the run with the median of answers.
fn row(waits: bool, mut runs: Vec<Run>) -> String {
    runs.sort_by_key(|run| run.counted.per_second(waits));
    let middle = &runs[runs.len() / 2];
    let millis = |of: fn(&Counted) -> u64| {
        let mut values: Vec<u64> = runs.iter().map(|run| of(&run.counted)).collect();
        values.sort_unstable();
        let micros = values[values.len() / 2];
        format!("{}.{}", micros / 1_000, micros % 1_000 / 100)
    };
    let given_up = (waits && middle.counted.accepted > 0)
        .then(|| format!("; {} were answered before their outcome", thousands(middle.counted.accepted)));
    let doubt =
        (middle.others_percent > 25).then(|| format!("; {} % of the machine went elsewhere", middle.others_percent));
    format!(
        "{:>9} {:>9} {:>9}  {}{}{}",
        thousands(middle.counted.per_second(waits)),
        millis(|counted| counted.p50_micros),
        millis(|counted| counted.p99_micros),
        middle.cost,
        given_up.unwrap_or_default(),
        doubt.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(outcomes: u64, p50_micros: u64) -> Run {
        let counted = Counted { outcomes, accepted: 3, failed: 0, p50_micros, p99_micros: 20_050, micros: 2_000_000 };
        Run { counted, cost: format!("api {outcomes} us"), others_percent: 0 }
    }

    #[test]
    fn a_row_has_medians() {
        let row = row(true, vec![run(4_000, 1_000), run(2_000, 9_990), run(3_000, 5_020)]);
        assert_eq!(row, "    1,500       5.0      20.0  api 3000 us; 3 were answered before their outcome");
    }
}
