//! `cargo dev bench`: benchmarks of one part by itself, and of the whole path, on stores of their own.

mod drain;
mod node;
mod own_stack;
mod path;
mod runtime;
mod start;
mod watch;
mod wrk;

use crate::checkout;
use crate::exit;
use crate::prepare::{self, Pinned, build, machine};
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The name of a benchmark follows.
const BENCH: [&str; 3] = ["bench", "--workspace", "--bench"];
/// What `large` leaves MongoDB.
const SMALL_CACHE_GB: &str = "0.5";

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Entries a second that `settler` settles: one account and 10,000, batches of 100, 1,000 and 5,000
    Settle {
        /// Another checkout of this repository, whose benchmark runs after this one's; both are built before
        #[arg(long, value_name = "CHECKOUT")]
        against: Option<PathBuf>,
        /// Passed on to the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Commands a second in the largest events, into accounts with references of 256 characters and 300 holds, at a cache of
    /// 0.5 GB
    Large {
        /// Passed on to the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Settling and reading in books with 10,000,000 entries, beside small ones, in turns
    Flat {
        /// Passed on to the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// The whole path through NGINX, for 1, 16, 64 and 256 callers, with and without waiting for the outcome: answers a second,
    /// milliseconds, and processor time of each part
    Path(PathArgs),
    /// Commands a second that are settled of a full log, of one account and of 10,000: `settler` starts when it is filled
    Drain(DrainArgs),
    /// Passbook beside the same API in Node (Express, kafkajs, mongoose), by ApacheBench: accepted requests a second,
    /// milliseconds, and processor time of each part
    Node(NodeArgs),
    /// lambda-local beside `cargo lambda watch`, by bare calls of a function: calls a second and milliseconds
    Watch(WatchArgs),
    /// Milliseconds from the spawn of a function to its first answer, and its memory then
    Start(StartArgs),
}

#[derive(Debug, Args)]
struct StartArgs {
    /// Another checkout of this repository, whose programs start beside this one's, in turns; they are built first
    #[arg(long, value_name = "CHECKOUT")]
    against: Option<PathBuf>,
    /// Starts of each function
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    runs: u16,
    /// Where the functions' programs are, for example target/x86_64-unknown-linux-gnu/release after `cargo dev package`
    /// [default: target/release]
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct PathArgs {
    /// Another checkout of this repository, to measure beside this one: its `cargo dev up` builds and starts it
    #[arg(long, value_name = "CHECKOUT")]
    against: Option<PathBuf>,
    /// Runs of each measure; the medians are printed
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Length of a run
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// How many callers at a time, each a measure of its own
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,16,64,256",
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    callers: Vec<u16>,
}

#[derive(Debug, Args)]
struct DrainArgs {
    /// Another checkout of this repository, whose programs drain beside this one's; they are built first
    #[arg(long, value_name = "CHECKOUT")]
    against: Option<PathBuf>,
    /// Runs of each measure; the medians are printed
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// How many commands the log holds at least when `settler` starts
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    commands: u64,
    /// Over how many accounts, each a measure of its own
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,10000",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    accounts: Vec<u32>,
}

#[derive(Debug, Args)]
struct NodeArgs {
    /// Runs of each side; the medians are printed
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Requests of a run
    #[arg(long, short = 'n', default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    requests: u32,
    /// Requests at a time
    #[arg(long, short = 'c', default_value_t = 150, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: u32,
}

#[derive(Debug, Args)]
struct WatchArgs {
    /// Runs of each side; the medians are printed
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Length of a run
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// How many callers at a time, each a measure of its own; cargo lambda takes 100 at most
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,64",
          value_parser = clap::value_parser!(u16).range(1..=100))]
    callers: Vec<u16>,
}

pub(crate) fn run(workspace: &Workspace, args: &BenchArgs) -> Result<ExitCode> {
    let parts: &[Pinned] = match args.what {
        What::Settle { .. } | What::Large { .. } | What::Flat { .. } => &[Pinned::Mongod],
        What::Path(_) | What::Drain(_) | What::Node(_) | What::Start(_) => &[Pinned::Mongod, Pinned::Kafka],
        What::Watch(_) => &[Pinned::Mongod, Pinned::Kafka, Pinned::CargoLambda],
    };
    let mut needs = prepare::needs(workspace, parts);
    needs.extend(machine::BUILDING);
    match args.what {
        What::Path(_) => needs.extend([machine::NGINX, machine::WRK]),
        What::Drain(_) | What::Watch(_) => needs.push(machine::WRK),
        What::Node(_) => needs.extend([machine::NGINX, machine::AB, machine::NODE, machine::NPM]),
        What::Settle { .. } | What::Large { .. } | What::Flat { .. } | What::Start(_) => {}
    }
    machine::provide(&needs)?;
    prepare::parts(workspace, parts)?;
    build::release(workspace)?;
    let mut bench = Workbench::new()?;
    let result = match &args.what {
        What::Settle { against, args } => settle(workspace, against.as_deref(), args, &mut bench).map(exit::when),
        What::Large { args } => {
            let mongo = bench.mongod_with_cache(workspace, SMALL_CACHE_GB)?;
            on_mongod(build::cargo(workspace), "large", &mongo, args, &mut bench).map(exit::when)
        }
        What::Flat { args } => {
            let mongo = bench.mongod(workspace)?;
            on_mongod(build::cargo(workspace), "flat", &mongo, args, &mut bench).map(exit::when)
        }
        What::Path(args) => path::run(workspace, args, &mut bench).map(|()| ExitCode::SUCCESS),
        What::Node(args) => node::run(workspace, args, &mut bench).map(|()| ExitCode::SUCCESS),
        What::Drain(args) => drain::run(workspace, args, &mut bench).map(|()| ExitCode::SUCCESS),
        What::Watch(args) => watch::run(workspace, args, &mut bench).map(|()| ExitCode::SUCCESS),
        What::Start(args) => start::run(workspace, args, &mut bench).map(|()| ExitCode::SUCCESS),
    };
    bench.finish(false)?;
    result
}

/// On one mongod, each in a database of its own, which it drops.
fn settle(workspace: &Workspace, against: Option<&Path>, args: &[String], bench: &mut Workbench) -> Result<bool> {
    let mongo = bench.mongod(workspace)?;
    let Some(against) = against else { return on_mongod(build::cargo(workspace), "settle", &mongo, args, bench) };
    let against = checkout::against(against)?;
    let cargos = || [build::cargo(workspace), checkout::cargo(workspace, &against)];
    for mut cargo in cargos() {
        let mut child = bench.spawn(cargo.args(BENCH).args(["settle", "--no-run"]))?;
        ensure!(bench.await_child(&mut child)?.success(), "the benchmark could not be built");
    }
    let mut went_well = true;
    for (side, cargo) in ["this", "against"].into_iter().zip(cargos()) {
        println!("\n{side}");
        went_well &= on_mongod(cargo, "settle", &mongo, args, bench)?;
    }
    Ok(went_well)
}

/// Runs a benchmark of `settler`; whether it ended well.
fn on_mongod(mut cargo: Command, name: &str, mongo: &str, args: &[String], bench: &mut Workbench) -> Result<bool> {
    cargo.args(BENCH).args([name, "--", "--mongo", mongo]).args(args);
    let mut child = bench.spawn(&mut cargo)?;
    Ok(bench.await_child(&mut child)?.success())
}
