//! `cargo dev check`: what the repository declares to other programs, given to those programs: template.yaml and
//! localstack/ to AWS's own tools, nginx/ to NGINX, compose.yaml to what it would start. Nothing is deployed, no container
//! is started, and no network is needed once the tools are there.
//!
//! One check is one module below; `ALL` lists them, and `cargo dev test` runs them all.

mod compose;
mod localstack;
mod nginx;
mod template;

use crate::exit;
use crate::prepare::{self, Pinned, machine};
use crate::steps::{self, Finished};
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::path::Path;
use std::process::{Command, ExitCode};

/// One thing to check.
#[derive(Debug)]
pub(crate) struct Check {
    name: &'static str,
    needs: &'static [machine::Need],
    parts: &'static [Pinned],
    /// The programs to run, all of which have to agree. Files they need may be made in the directory given.
    commands: fn(&Workspace, &Path) -> Result<Vec<Command>>,
}

pub(crate) static ALL: [Check; 4] = [template::CHECK, nginx::CHECK, compose::CHECK, localstack::CHECK];

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// What to check; everything unless some are named
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(ALL.iter().map(|check| check.name)))]
    names: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &CheckArgs) -> Result<ExitCode> {
    let named = |check: &&Check| args.names.is_empty() || args.names.iter().any(|name| name == check.name);
    let checks = || ALL.iter().filter(named);
    let parts: Vec<Pinned> = parts(checks()).collect();
    let mut needs = prepare::needs(workspace, &parts);
    needs.extend(checks().flat_map(|check| check.needs));
    machine::provide(&needs)?;
    prepare::parts(workspace, &parts)?;
    let mut bench = Workbench::new()?;
    let finished = steps(workspace, checks(), &mut bench);
    let finished = steps::conclude(bench, finished)?;
    steps::summarise(&finished);
    Ok(exit::when(steps::all_good(&finished)))
}

/// What has to be fetched first.
pub(crate) fn parts<'a>(checks: impl Iterator<Item = &'a Check>) -> impl Iterator<Item = Pinned> {
    checks.flat_map(|check| check.parts.iter().copied())
}

pub(crate) fn steps<'a>(
    workspace: &Workspace,
    checks: impl Iterator<Item = &'a Check>,
    bench: &mut Workbench,
) -> Result<Vec<Finished>> {
    let step = |check: &Check| {
        let commands = (check.commands)(workspace, bench.place())?;
        steps::run(check.name, bench, commands)
    };
    checks.map(step).collect()
}
