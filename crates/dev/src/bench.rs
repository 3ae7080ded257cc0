//! `cargo dev bench`: benchmarks of one part by itself, on stores of their own.

mod start;

use crate::exit;
use crate::prepare::{self, Pinned, build, machine};
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::Result;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Entries a second that `settler` settles: one account and 10,000, batches of 100, 1,000 and 5,000
    Settle {
        /// Passed on to the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Milliseconds from the spawn of a function to its first answer, and its memory then
    Start(StartArgs),
}

#[derive(Debug, Args)]
struct StartArgs {
    /// Starts of each function
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    runs: u16,
    /// Where the functions' programs are, for example target/x86_64-unknown-linux-gnu/release after `cargo dev package`
    /// [default: target/release]
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
}

pub(crate) fn run(workspace: &Workspace, args: &BenchArgs) -> Result<ExitCode> {
    let parts: &[Pinned] = match args.what {
        What::Settle { .. } => &[Pinned::Mongod],
        What::Start(_) => &[Pinned::Mongod, Pinned::Kafka],
    };
    let mut needs = prepare::needs(workspace, parts);
    needs.extend(machine::BUILDING);
    machine::provide(&needs)?;
    prepare::parts(workspace, parts)?;
    build::release(workspace)?;
    let mut bench = Workbench::new()?;
    let result = match &args.what {
        What::Settle { args } => settle(workspace, args, &mut bench),
        What::Start(args) => start::run(workspace, args, &mut bench).map(|()| ExitCode::SUCCESS),
    };
    bench.finish(false)?;
    result
}

fn settle(workspace: &Workspace, args: &[String], bench: &mut Workbench) -> Result<ExitCode> {
    let mongo = bench.mongod(workspace)?;
    let mut cargo = build::cargo(workspace);
    cargo.args(["bench", "--workspace", "--bench", "settle", "--", "--mongo", &mongo]).args(args);
    let mut child = bench.spawn(&mut cargo)?;
    Ok(exit::when(bench.await_child(&mut child)?.success()))
}
