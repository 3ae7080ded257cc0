//! `cargo dev readme`: does what the README says, in a fresh clone with nothing in `.local/`, and compares what its
//! curls print with what the README says they print.
//!
//! The clone is of what is committed. It compiles everything anew, as on a machine that never saw this repository: cargo
//! would take programs compiled from one clone for those of another, if both had one target directory. So this says, too,
//! how long the first time takes.

mod blocks;

use crate::compare;
use crate::exit;
use crate::prepare::{build, machine};
use crate::say::{self, Step, seconds};
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use blocks::Example;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    check(workspace).map(exit::when)
}

/// Whether everything printed is what the README says.
pub(crate) fn check(workspace: &Workspace) -> Result<bool> {
    machine::provide(&[machine::CURL])?;
    let mut bench = Workbench::new()?;
    let good = try_all(workspace, &mut bench);
    bench.finish(false)?;
    good
}

fn try_all(workspace: &Workspace, bench: &mut Workbench) -> Result<bool> {
    let clone = bench.place().join("passbook");
    git_clone(workspace.root(), &clone)?;
    let text = fs::read_to_string(clone.join("README.md")).context("the clone has no README.md")?;
    let examples = blocks::examples(&text);
    if !blocks::says(&text, "cargo dev up") || examples.is_empty() {
        bail!("the README no longer says `cargo dev up` and then shows curls with what they print");
    }
    let good = up_and_try(workspace, &clone, &examples, bench);
    // Whatever came in between, a Ctrl-C too, if a stack was begun; this is not interrupted.
    if clone.join(".local/stack").exists() && !bench.spawn(&mut dev(workspace, &clone, &["down"]))?.wait()?.success() {
        bail!("`cargo dev down` failed in a fresh clone");
    }
    let good = good?;
    let failed = good.iter().filter(|good| !**good).count();
    println!("{} passed, {failed} failed", good.len() - failed);
    Ok(failed == 0)
}

fn up_and_try(workspace: &Workspace, clone: &Path, examples: &[Example], bench: &mut Workbench) -> Result<Vec<bool>> {
    let began = Instant::now();
    let mut up = bench.spawn(&mut dev(workspace, clone, &["up", "--detach"]))?;
    if !bench.await_child(&mut up)?.success() {
        bail!("`cargo dev up` failed in a fresh clone");
    }
    say::line("readme", format!("`cargo dev up` in a fresh clone took {}", seconds(began.elapsed())));
    let place = bench.place().to_owned();
    let try_next = |example| bench.check().and_then(|()| try_out(example, &place));
    examples.iter().map(try_next).collect()
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

fn dev(workspace: &Workspace, clone: &Path, words: &[&str]) -> Command {
    let mut cargo = build::cargo(workspace);
    cargo.current_dir(clone).env(build::TARGET, clone.join("target"));
    cargo.env_remove("PASSBOOK_NO_BUILD").env_remove("PASSBOOK_ROOT").arg("dev").args(words);
    cargo
}

/// Runs one example as a person would type it, all in one directory, so that one may use what an earlier one saved.
fn try_out(example: &Example, dir: &Path) -> Result<bool> {
    let output = Command::new("bash").args(["-c", &example.command]).current_dir(dir).output();
    let output = output.context("cannot run bash")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let good = output.status.success() && compare::matches(&example.printed, &printed);
    let first = example.command.lines().next().unwrap_or_default();
    if good {
        say::line("as it says", first);
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        println!("  DIFFERS       {first}\n    README:  {}\n    printed: {}{said}", example.printed, printed.trim());
    }
    Ok(good)
}
