//! `cargo dev bench settle`: the benchmark of settling alone, against a mongod of its own.

use crate::exit;
use crate::prepare::{self, Pinned, build, machine};
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::Result;
use clap::{Args, Subcommand};
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
}

pub(crate) fn run(workspace: &Workspace, args: &BenchArgs) -> Result<ExitCode> {
    let What::Settle { args } = &args.what;
    let mut needs = prepare::needs(workspace, &[Pinned::Mongod]);
    needs.extend(machine::BUILDING);
    machine::provide(&needs)?;
    prepare::parts(workspace, &[Pinned::Mongod])?;
    build::release(workspace)?;
    let mut bench = Workbench::new()?;
    let result = settle(workspace, args, &mut bench);
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
