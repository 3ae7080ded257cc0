//! `cargo dev up`: prepares the machine, then supervises the stack, in the foreground or in a session of its own.

mod args;
mod attempt;
mod detached;
mod first_deposit;
mod plan;
mod run;
pub(crate) mod settles;

pub(crate) use args::{Broker, UpArgs};

use crate::part::nginx;
use crate::prepare::{self, Pinned, machine};
use crate::stack::{Lock, StackFile};
use crate::workspace::{StackDir, Workspace};
use anyhow::{Result, bail};
use std::process::ExitCode;

/// What runs the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Functions {
    LambdaLocal,
    /// Hot reload.
    CargoLambda,
}

pub(crate) fn run(workspace: &Workspace, args: &UpArgs, functions: Functions) -> Result<ExitCode> {
    let dir = workspace.stack_dir(args.data.as_deref())?;
    if args.supervised {
        return detached::be_supervisor(workspace, &dir, args, functions);
    }
    let starting =
        Lock::wait(&dir.start_lock_file(), "up", "another `cargo dev up` is starting this stack; waiting for it")?;
    if let Some(file) = attempt::running(&dir)? {
        return already(args, &dir, &file);
    }
    println!("Passbook, in {}", dir.root().display());
    prepare(workspace, args, functions)?;
    if args.detach { detached::start(&dir) } else { run::supervise(workspace, &dir, args, functions, Some(starting)) }
}

fn already(args: &UpArgs, dir: &StackDir, file: &StackFile) -> Result<ExitCode> {
    let place = dir.root().display();
    if args.fresh {
        bail!("a stack runs in {place}; stop it first with `cargo dev down`, then begin anew with --fresh");
    }
    println!("Passbook runs already, in {place}: {}", file.url);
    println!("`cargo dev status` says more; `cargo dev down` stops it.");
    Ok(ExitCode::SUCCESS)
}

fn prepare(workspace: &Workspace, args: &UpArgs, functions: Functions) -> Result<()> {
    nginx::Settings::of(workspace, &args.nginx)?;
    let parts = pinned(args, functions);
    let mut needs = prepare::needs(workspace, &parts);
    needs.push(machine::NGINX);
    needs.extend(args.tls.is_some().then_some(machine::OPENSSL));
    needs.extend(machine::BUILDING);
    machine::provide(&needs)?;
    prepare::parts(workspace, &parts)?;
    if args.no_build { Ok(()) } else { prepare::build::release(workspace) }
}

fn pinned(args: &UpArgs, functions: Functions) -> Vec<Pinned> {
    let mut parts = Vec::new();
    parts.extend(args.mongo.is_none().then_some(Pinned::Mongod));
    parts.extend(match args.broker {
        Broker::Kafka => Some(Pinned::Kafka),
        Broker::Embedded => Some(Pinned::Tansu),
        Broker::At(_) => None,
    });
    parts.extend((functions == Functions::CargoLambda).then_some(Pinned::CargoLambda));
    parts
}
