//! `cargo dev bench start`: how long a function takes from nothing to its first answer, and what memory it has then.
//!
//! lambda-local runs one function, on a mongod and a Kafka of the benchmark's own. Each start is the first request to a
//! function without an execution environment: lambda-local spawns the process, which connects to what the request needs,
//! and answers. Its own REPORT line says how long that took, as AWS's does; then the process is killed, for the next.

use super::StartArgs;
use super::runtime::{Runtime, Which};
use crate::checkout;
use crate::http;
use crate::operator::Operator;
use crate::part::lambda_local::Parameters;
use crate::prepare::build;
use crate::process::{resident_bytes, signal_process};
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fmt::{Display, Formatter};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(30);

/// First events that need MongoDB and Kafka, nothing, and Kafka alone. `settler` is first: later there are deposits in the
/// log, which lambda-local would have it settle in between.
const FIRST_EVENTS: [(&str, &str); 3] =
    [("settler", "kafka/self-managed.json"), ("api", "http/health.json"), ("api", "http/deposit.json")];

/// Whose programs start.
struct Side {
    name: &'static str,
    workspace: Workspace,
    binaries: PathBuf,
}

/// One start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Start {
    init: Hundredths,
    /// From the spawn to the answer.
    answered: Hundredths,
    resident: u64,
}

/// Hundredths of a millisecond, as a REPORT line has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hundredths(u64);

impl Display for Hundredths {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

pub(super) fn run(workspace: &Workspace, args: &StartArgs, bench: &mut Workbench) -> Result<()> {
    let mongo = bench.mongod(workspace)?;
    let brokers = bench.kafka(workspace)?;
    Operator::new(workspace, &brokers, &mongo).make_topics(8)?;
    let parameters = Parameters { brokers, mongo, one_request_per_environment: true, env: Vec::new() };
    let binaries = args.binaries.clone().unwrap_or_else(|| workspace.binaries());
    println!("\n{} starts of each, programs of {}\n", args.runs, binaries.display());
    let mut sides = vec![Side { name: "this", workspace: workspace.clone(), binaries }];
    if let Some(checkout) = &args.against {
        let workspace = Workspace::at(checkout::against(checkout)?);
        build::release(&workspace)?;
        let binaries = workspace.binaries();
        sides.push(Side { name: "against", workspace, binaries });
    }
    println!(
        "{:<9} {:<26} {:<8} {:>15} {:>15} {:>13}",
        "FUNCTION", "FIRST EVENT", "SIDE", "INIT ms", "FIRST ANSWER ms", "RESIDENT MB"
    );
    for (function, event) in FIRST_EVENTS {
        for side in &sides {
            let starts = measure(side, args.runs, &parameters, (function, event), bench)?;
            println!("{function:<9} {event:<26} {:<8} {}", side.name, row(&starts));
        }
    }
    println!("\nmedian, and the longest or largest; aims: 30 ms to the first answer, 40 MB");
    Ok(())
}

/// Middle and greatest of each.
fn row(starts: &[Start]) -> String {
    let times = |of: fn(&Start) -> Hundredths| {
        let (middle, greatest) = middle_and_greatest(starts, of);
        format!("{:>7} {:>7}", middle.to_string(), greatest.to_string())
    };
    let (middle, greatest) = middle_and_greatest(starts, |start| start.resident.div_ceil(1_000_000));
    format!("{} {} {middle:>9} {greatest:>3}", times(|start| start.init), times(|start| start.answered))
}

fn middle_and_greatest<T: Ord + Copy>(starts: &[Start], of: impl Fn(&Start) -> T) -> (T, T) {
    let mut values: Vec<T> = starts.iter().map(of).collect();
    values.sort();
    (values[values.len() / 2], values[values.len() - 1])
}

fn measure(
    side: &Side,
    runs: u16,
    parameters: &Parameters,
    (function, event): (&str, &str),
    bench: &mut Workbench,
) -> Result<Vec<Start>> {
    let Side { name, workspace, binaries } = side;
    let event: Value = serde_json::from_str(&fs::read_to_string(workspace.file("events").join(event))?)?;
    let logs = format!("{function}-{name}");
    let runtime = Runtime::start(Which { workspace, binaries, function, parameters, logs: &logs }, bench)?;
    let place = Place { runtime: &runtime, function };
    let starts = (0..runs).map(|_| place.start_once(&event, bench)).collect();
    runtime.stop(bench)?;
    starts
}

/// One function under lambda-local.
struct Place<'a> {
    runtime: &'a Runtime,
    function: &'a str,
}

impl Place<'_> {
    fn start_once(&self, event: &Value, bench: &mut Workbench) -> Result<Start> {
        let url = format!("{}/2015-03-31/functions/{}/invocations", self.runtime.url, self.function);
        let logged = self.log().len();
        let answer = http::post_within(&url, event, WITHIN)?;
        ensure!(answer.get("errorType").is_none(), "{} failed: {answer}", self.function);
        let pid = self.pid()?.context("the environment has ended by itself")?;
        let resident = resident_bytes(pid).context("the environment has ended by itself")?;
        // Written when the answer has gone out.
        let report = self.wait(bench, "no REPORT line", || Ok(self.log().get(logged..).and_then(first_start)))?;
        signal_process(pid, Signal::SIGKILL);
        self.wait(bench, "the killed environment stays", || Ok((self.pid()? != Some(pid)).then_some(())))?;
        Ok(Start { resident, ..report })
    }

    /// Nothing before the first invocation.
    fn log(&self) -> String {
        fs::read_to_string(&self.runtime.log).unwrap_or_default()
    }

    /// The process of the one environment.
    fn pid(&self) -> Result<Option<u32>> {
        let status = http::get(&format!("{}/status", self.runtime.url))?;
        let pid = status.pointer("/functions/0/environments/0/pid").and_then(Value::as_u64);
        pid.map(u32::try_from).transpose().context("a process id")
    }

    fn wait<T>(&self, bench: &mut Workbench, what: &str, ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let log = self.runtime.log.display();
        bench.until(WITHIN, ask).with_context(|| format!("{}: {what}; its log is {log}", self.function))
    }
}

/// What the REPORT line of a first invocation says; the memory is not in it.
fn first_start(log: &str) -> Option<Start> {
    let report = log.lines().find(|line| line.starts_with("REPORT") && line.contains("\tInit Duration: "))?;
    let value = |name: &str| {
        let field = report.split('\t').find_map(|field| field.strip_prefix(name))?;
        let (whole, hundredths) = field.strip_suffix(" ms")?.split_once('.')?;
        Some(whole.parse::<u64>().ok()? * 100 + hundredths.parse::<u64>().ok()?)
    };
    let (init, duration) = (value("Init Duration: ")?, value("Duration: ")?);
    Some(Start { init: Hundredths(init), answered: Hundredths(init + duration), resident: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_a_first_invocation_is_read() {
        let log = "REPORT RequestId: b\tDuration: 1.00 ms\tBilled Duration: 1 ms\n\
                   REPORT RequestId: a\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\t\
                   Init Duration: 7.05 ms\n";
        let start = first_start(log).unwrap();
        assert_eq!((start.init, start.answered), (Hundredths(705), Hundredths(1_939)));
        assert_eq!(start.answered.to_string(), "19.39");
        assert_eq!(first_start("REPORT RequestId: b\tDuration: 1.00 ms\tBilled Duration: 1 ms\n"), None);
    }

    #[test]
    fn the_middle_and_the_greatest_are_shown() {
        let start = |init, resident| Start { init: Hundredths(init), answered: Hundredths(2 * init), resident };
        let starts = [start(300, 9_000_000), start(100, 20_500_000), start(250, 10_000_000)];
        assert_eq!(middle_and_greatest(&starts, |start| start.init), (Hundredths(250), Hundredths(300)));
        assert_eq!(row(&starts), "   2.50    3.00    5.00    6.00        10  21");
    }
}
