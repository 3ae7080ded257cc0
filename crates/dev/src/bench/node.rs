//! `cargo dev bench node`: Passbook beside what such an API is in Node, in one run and on the same machine.
//!
//! A stack of its own is started. Beside it two processes of `node/server.js` (Express, kafkajs, mongoose) use the stack's
//! Kafka and MongoDB, behind another NGINX with the same configuration. ApacheBench posts to the one and to the other, in
//! turns, on a connection for each request; the one that is not measured is idle. Passbook settles meanwhile whatever it
//! accepts, and its run is over when all of it is settled. Node settles nothing.

use super::NodeArgs;
use super::own_stack::OwnStack;
use crate::load::ab::{Counted, Run};
use crate::load::cost::{Cost, Meter};
use crate::load::{ab, settled};
use crate::operator::Operator;
use crate::part::{Probe, nginx};
use crate::prepare::machine;
use crate::process::{Identity, signal_process};
use crate::say::{self, Step, thousands};
use crate::stack::{PartRecord, StackFile};
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const SOURCES: [(&str, &str); 3] = [
    ("package.json", include_str!("node/package.json")),
    ("package-lock.json", include_str!("node/package-lock.json")),
    ("server.js", include_str!("node/server.js")),
];
const PROCESSES: usize = 2;
const READY_WITHIN: Duration = Duration::from_secs(30);
/// The parts of each that do the same work.
const OURS: [&str; 2] = ["api", "lambda-local"];
const NODES: [&str; 1] = ["node"];

/// What came of one run.
struct Measured {
    counted: Counted,
    cost: Cost,
}

pub(super) fn run(workspace: &Workspace, args: &NodeArgs, bench: &mut Workbench) -> Result<()> {
    let stack = OwnStack::of(workspace.root(), "passbook", bench);
    let result = stack.up(workspace, bench).and_then(|()| beside(workspace, args, &stack.file()?, bench));
    let ended = stack.down(workspace, bench);
    result.and(ended)
}

fn beside(workspace: &Workspace, args: &NodeArgs, passbook: &StackFile, bench: &mut Workbench) -> Result<()> {
    let place = workspace.local().join("parts/bench-node");
    install(&place, bench)?;
    let mut node = Vec::new();
    let result = start(&place, passbook, &mut node, bench)
        .and_then(|ports| front(workspace, ports, bench))
        .and_then(|url| measure_all(workspace, args, passbook, &stack_of(passbook, &node, &url, bench), bench));
    for mut process in node {
        signal_process(process.id(), Signal::SIGTERM);
        process.wait()?;
    }
    result
}

/// What the lock file names, with its hashes.
fn install(place: &Path, bench: &mut Workbench) -> Result<()> {
    let step = Step::begin("node", "installing Express, kafkajs and mongoose");
    fs::create_dir_all(place)?;
    for (name, text) in SOURCES {
        fs::write(place.join(name), text)?;
    }
    let mut npm = Command::new(machine::program("npm")?);
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]).current_dir(place);
    let mut npm = bench.spawn(&mut npm)?;
    ensure!(bench.await_child(&mut npm)?.success(), "npm ci failed in {}", place.display());
    step.done(place.display());
    Ok(())
}

/// Gives the ports where they listen.
fn start(place: &Path, passbook: &StackFile, node: &mut Vec<Child>, bench: &mut Workbench) -> Result<Vec<u16>> {
    let mut ports = Vec::new();
    for number in 0..PROCESSES {
        let port = bench.free_port()?;
        let log = bench.place().join(format!("node-{number}.log"));
        let output = fs::File::create(&log)?;
        let mut command = Command::new(machine::program("node")?);
        command.args(["server.js", &port.to_string(), &passbook.brokers, &passbook.mongo]).current_dir(place);
        command.env("NODE_ENV", "production").stderr(output.try_clone()?).stdout(output);
        node.push(bench.spawn(&mut command)?);
        let probe = Probe::Http(format!("http://127.0.0.1:{port}/lambda-url/api/health"));
        bench
            .until(READY_WITHIN, || Ok(probe.answers().then_some(())))
            .with_context(|| format!("node does not answer: {}", fs::read_to_string(&log).unwrap_or_default()))?;
        ports.push(port);
    }
    Ok(ports)
}

/// The NGINX before them, as it is configured for Passbook.
fn front(workspace: &Workspace, ports: Vec<u16>, bench: &mut Workbench) -> Result<String> {
    let url = bench.nginx(workspace, &nginx::Behind::lambda_local(ports))?;
    say::line("node", format!("{PROCESSES} processes behind {url}"));
    Ok(url)
}

/// Node's side as a stack: its processes and NGINX, on the stores of the other.
fn stack_of(passbook: &StackFile, node: &[Child], url: &str, bench: &Workbench) -> StackFile {
    let stores = passbook.parts.iter().filter(|part| ["mongod", "kafka"].contains(&part.name.as_str())).cloned();
    let processes = node.iter().zip(1..).map(|(child, number)| PartRecord {
        name: format!("node/{number}"),
        process: Identity::of(child.id()),
        address: url.to_owned(),
        log: None,
    });
    let parts = stores.chain(bench.file().parts.clone()).chain(processes).collect();
    StackFile { url: url.to_owned(), parts, ..passbook.clone() }
}

fn measure_all(
    workspace: &Workspace,
    args: &NodeArgs,
    passbook: &StackFile,
    node: &StackFile,
    bench: &mut Workbench,
) -> Result<()> {
    let load = Run { requests: args.requests, concurrency: args.concurrency.min(args.requests), keep_alive: false };
    let operator = Operator::new(workspace, &passbook.brokers, &passbook.mongo);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // The first of each warms up, the broker too, and is not counted.
    for round in 0..=args.rounds {
        let (our, their) =
            (measure(workspace, passbook, &load, Some(&operator))?, measure(workspace, node, &load, None)?);
        bench.check()?;
        if round > 0 {
            ours.push(our);
            theirs.push(their);
        }
    }
    println!("\nab {}\n", load.words(&passbook.url).join(" "));
    println!("{:<9} {:>10} {:>8} {:>8}  CPU A REQUEST", "SIDE", "ACCEPTED/S", "P50 ms", "P99 ms");
    for (name, runs) in [("passbook", &mut ours), ("node", &mut theirs)] {
        runs.sort_by_key(|run| run.counted.per_second);
        let Counted { per_second, p50_ms, p99_ms, .. } = middle(runs).counted;
        let cost = middle(runs).cost.per_request(middle(runs).counted.good());
        println!("{name:<9} {:>10} {p50_ms:>8} {p99_ms:>8}  {cost}", thousands(per_second));
    }
    println!("\n{}", ratios(middle(&ours), middle(&theirs)));
    println!("the runs with the median of accepted requests, of {} each", args.rounds);
    Ok(())
}

/// With an operator: until all of it is settled.
fn measure(workspace: &Workspace, side: &StackFile, load: &Run, operator: Option<&Operator>) -> Result<Measured> {
    let meter = Meter::start(side);
    let counted = ab::parse(&crate::load::run_ab(workspace, &load.words(&side.url))?)?;
    ensure!(counted.good() == counted.complete, "requests failed: {counted:?}");
    if let Some(operator) = operator {
        let lag = settled(operator, Instant::now())?;
        ensure!(lag.lag == 0, "{} commands were not settled in time", lag.lag);
    }
    Ok(Measured { counted, cost: meter.stop() })
}

fn middle(runs: &[Measured]) -> &Measured {
    &runs[runs.len() / 2]
}

fn ratios(ours: &Measured, theirs: &Measured) -> String {
    let times = |one: u64, other: u64| format!("{}.{:02}", one / other.max(1), one * 100 / other.max(1) % 100);
    let micros = |run: &Measured, names: &[&str]| run.cost.micros(names) / run.counted.good().max(1);
    format!(
        "passbook / node: accepted/s {}, p99 {}, processor time of api and lambda-local against node's {}",
        times(ours.counted.per_second, theirs.counted.per_second),
        times(ours.counted.p99_ms, theirs.counted.p99_ms),
        times(micros(ours, &OURS), micros(theirs, &NODES)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_names_the_versions_of_the_package() {
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let (package, lock) = (read(SOURCES[0].1), read(SOURCES[1].1));
        assert_eq!(package["dependencies"], lock["packages"][""]["dependencies"]);
        let packages = lock["packages"].as_object().unwrap();
        let pinned = |(name, of): (&String, &serde_json::Value)| name.is_empty() || of["integrity"].is_string();
        assert!(packages.iter().all(pinned), "each is held to its hash");
        assert!(!SOURCES[1].1.contains("resolved"), "of whichever registry");
    }
}
