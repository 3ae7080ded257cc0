//! `cargo dev simulate`: settling under faults, simulated seed by seed, with no store at all.

use crate::exit;
use crate::prepare::{build, machine};
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use clap::Args;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// How many seeds to run
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
}

pub(crate) fn run(workspace: &Workspace, args: &SimulateArgs) -> Result<ExitCode> {
    machine::provide(&machine::BUILDING)?;
    let mut cargo = build::cargo(workspace);
    cargo.args(["run", "--quiet", "--release", "--bin", "simulation", "--"]);
    cargo.args(["--seeds", &args.seeds.to_string(), "--from", &args.from.to_string()]);
    Ok(exit::when(cargo.status().context("cannot run cargo")?.success()))
}
