//! `cargo dev readme`: does what the README says, in a fresh clone with nothing in `.local/`, and compares what its
//! curls print with what the README says they print.
//!
//! The clone is of what is committed. Compiled dependencies are shared with this repository unless `--cold`, which also
//! measures how long the first time really takes.

mod blocks;
mod compare;

use crate::exit;
use crate::prepare::{build, machine};
use crate::say::{self, Step, seconds};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use blocks::Example;
use clap::Args;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

#[derive(Debug, Default, Args)]
pub(crate) struct ReadmeArgs {
    /// Compile everything anew too, as on a machine that never saw this repository
    #[arg(long)]
    cold: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &ReadmeArgs) -> Result<ExitCode> {
    check(workspace, args).map(exit::when)
}

/// Whether everything printed is what the README says.
pub(crate) fn check(workspace: &Workspace, args: &ReadmeArgs) -> Result<bool> {
    machine::provide(&[machine::CURL])?;
    let temp = tempfile::Builder::new().prefix("passbook-readme-").tempdir()?;
    let clone = temp.path().join("passbook");
    git_clone(workspace.root(), &clone)?;
    let text = fs::read_to_string(clone.join("README.md")).context("the clone has no README.md")?;
    let examples = blocks::examples(&text);
    if !blocks::says(&text, "cargo dev up") || examples.is_empty() {
        bail!("the README no longer says `cargo dev up` and then shows curls with what they print");
    }
    let target = if args.cold { clone.join("target") } else { workspace.target().to_owned() };
    let began = Instant::now();
    dev(workspace, &clone, &target, &["up", "--detach"])?;
    say::line("readme", format!("`cargo dev up` in a fresh clone took {}", seconds(began.elapsed())));
    let good = examples.iter().map(|example| try_out(example, temp.path())).collect::<Result<Vec<bool>>>();
    dev(workspace, &clone, &target, &["down"])?;
    let good = good?;
    let failed = good.iter().filter(|good| !**good).count();
    println!("{} passed, {failed} failed", good.len() - failed);
    Ok(failed == 0)
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

fn dev(workspace: &Workspace, clone: &Path, target: &Path, words: &[&str]) -> Result<()> {
    let mut cargo = build::cargo(workspace);
    cargo.current_dir(clone).env("CARGO_TARGET_DIR", target).env_remove("PASSBOOK_NO_BUILD");
    let status = cargo.arg("dev").args(words).status().context("cannot run cargo")?;
    if status.success() { Ok(()) } else { bail!("`cargo dev {}` failed in a fresh clone", words.join(" ")) }
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
