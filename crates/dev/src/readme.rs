//! `cargo dev readme`: does what the README says in a fresh clone with nothing in `.local/`, on what is committed.
//!
//! It compiles everything anew, as on a machine that never saw this repository: cargo would take programs compiled from
//! one clone for those of another, if both had one target directory. So this says, too, how long the first time takes.
//! What the README tells to type after that is done by the clone's own `cargo dev docs`.

use crate::checkout::dev;
use crate::exit;
use crate::say::{self, Step, seconds};
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    check(workspace).map(exit::when)
}

/// Whether everything goes as the README says.
pub(crate) fn check(workspace: &Workspace) -> Result<bool> {
    let mut bench = Workbench::new()?;
    let good = try_all(workspace, &mut bench);
    bench.finish(false)?;
    good
}

fn try_all(workspace: &Workspace, bench: &mut Workbench) -> Result<bool> {
    let clone = bench.place().join("passbook");
    git_clone(workspace.root(), &clone)?;
    let began = Instant::now();
    let mut up = bench.spawn(&mut dev(workspace, &clone, &["up", "--detach", "--port", "0"]))?;
    let up = bench.await_child(&mut up);
    // Whatever came in between, a Ctrl-C too, if a stack was begun; this is not interrupted.
    if clone.join(".local/stack").exists() && !bench.spawn(&mut dev(workspace, &clone, &["down"]))?.wait()?.success() {
        bail!("`cargo dev down` failed in a fresh clone");
    }
    if !up?.success() {
        bail!("`cargo dev up` failed in a fresh clone");
    }
    say::line("readme", format!("`cargo dev up` and `down` in a fresh clone took {}", seconds(began.elapsed())));
    let mut docs = bench.spawn(&mut dev(workspace, &clone, &["docs", "README.md"]))?;
    Ok(bench.await_child(&mut docs)?.success())
}

fn git_clone(from: &Path, to: &Path) -> Result<()> {
    let step = Step::begin("readme", "cloning what is committed");
    let output = Command::new("git").args(["clone", "--quiet"]).args([from, to]).output().context("cannot run git")?;
    if !output.status.success() {
        bail!("git clone failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    step.done("a fresh clone");
    Ok(())
}
