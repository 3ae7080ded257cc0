//! `cargo dev replay`: the sample events of `events/`, one invocation each, and whether they are answered as written beside
//! them. By whatever runs the functions of the stack, lambda-local or cargo lambda, or by AWS's own emulator.
//!
//! To replay is harmless, and gives the same answers again: what `settler` is given a second time is a redelivery.

use crate::cli::DataArgs;
use crate::compare;
use crate::emulator::Emulator;
use crate::exit;
use crate::invoke;
use crate::samples::{self, Sample};
use crate::say;
use crate::stack::{self, StackFile};
use crate::workspace::{StackDir, Workspace};
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Sample events, for example events/kafka/msk.json; all of them unless some are named
    files: Vec<PathBuf>,
    /// Under AWS's Runtime Interface Emulator, started for this on the stores of the stack
    #[arg(long)]
    rie: bool,
    #[command(flatten)]
    stack: DataArgs,
}

/// What invokes the functions.
enum Runtime<'a> {
    OfTheStack(&'a str),
    /// The emulator of the function that was invoked last.
    Emulator(Option<(&'static str, Emulator)>),
}

pub(crate) fn run(workspace: &Workspace, args: &ReplayArgs) -> Result<ExitCode> {
    let samples = chosen(samples::all(&workspace.file("events"))?, &args.files)?;
    let dir = workspace.stack_dir(args.stack.data.as_deref())?;
    let stack = stack::running(&dir)?;
    let mut runtime = if args.rie { Runtime::Emulator(None) } else { Runtime::OfTheStack(invoke::endpoint(&stack)?) };
    let mut failed = 0;
    for sample in &samples {
        let endpoint = runtime.endpoint(workspace, &dir, &stack, sample.function)?;
        if !replay(workspace, endpoint, sample)? {
            failed += 1;
        }
    }
    say::print(format_args!("{} passed, {failed} failed", samples.len() - failed));
    Ok(exit::when(failed == 0))
}

/// The samples in these files; all of them where none is named.
fn chosen(samples: Vec<Sample>, files: &[PathBuf]) -> Result<Vec<Sample>> {
    if files.is_empty() {
        return Ok(samples);
    }
    for file in files {
        let known = samples.iter().any(|sample| file.ends_with(&sample.name));
        ensure!(known, "{} is no sample event; they lie in events/", file.display());
    }
    let is_chosen = |sample: &Sample| files.iter().any(|file| file.ends_with(&sample.name));
    Ok(samples.into_iter().filter(is_chosen).collect())
}

impl Runtime<'_> {
    fn endpoint(
        &mut self,
        workspace: &Workspace,
        dir: &StackDir,
        stack: &StackFile,
        function: &'static str,
    ) -> Result<&str> {
        match self {
            Self::OfTheStack(endpoint) => Ok(endpoint),
            Self::Emulator(running) => {
                if running.as_ref().is_none_or(|(of, _)| *of != function) {
                    // The one before ends first.
                    drop(running.take());
                    *running = Some((function, Emulator::start(workspace, dir, stack, function)?));
                }
                running.as_ref().map(|(_, emulator)| emulator.endpoint.as_str()).context("no emulator")
            }
        }
    }
}

/// Whether a sample is answered as written, which is said.
fn replay(workspace: &Workspace, endpoint: &str, sample: &Sample) -> Result<bool> {
    let Sample { name, function, event, client_context, answer } = sample;
    let mut invoke = invoke::command(workspace, endpoint, function, event, client_context.as_deref());
    let output = invoke.output().context("cannot run lambda-local")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let answered = serde_json::from_str::<Value>(&printed);
    let as_written = answered.is_ok_and(|answered| compare::same(answer, &answered));
    let good = as_written && output.status.success() != sample.is_a_failure();
    if good {
        say::line("as it says", name);
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        say::line("DIFFERS", name);
        say::print(format_args!("    written:  {answer}\n    answered: {}\n{}", printed.trim(), said.trim_end()));
    }
    Ok(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_from_wherever_one_stands() {
        let sample = |name: &str| Sample {
            name: name.to_owned(),
            function: "api",
            event: PathBuf::new(),
            client_context: None,
            answer: Value::Null,
        };
        let all = || vec![sample("http/a.json"), sample("http/b.json")];
        let names = |files: &[&str]| {
            let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
            chosen(all(), &files).map(|chosen| chosen.into_iter().map(|sample| sample.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap().len(), 2);
        assert_eq!(names(&["../events/http/b.json"]).unwrap(), ["http/b.json"]);
        assert!(names(&["events/http/c.json"]).unwrap_err().to_string().contains("is no sample event"));
    }
}
