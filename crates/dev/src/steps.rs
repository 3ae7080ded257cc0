//! Steps that one command does one after the other, each also when one before it has failed, and how they went.

use crate::exit::Interrupted;
use crate::say::{self, seconds};
use crate::workbench::Workbench;
use anyhow::Result;
use std::process::Command;
use std::time::{Duration, Instant};

/// How one step went.
pub(crate) struct Finished {
    pub(crate) name: &'static str,
    pub(crate) good: bool,
    pub(crate) took: Duration,
}

/// A step of some programs, all of which are run.
pub(crate) fn run(
    name: &'static str,
    bench: &mut Workbench,
    commands: impl IntoIterator<Item = Command>,
) -> Result<Finished> {
    println!("\n== {name}");
    let began = Instant::now();
    let mut good = true;
    for mut command in commands {
        let mut child = bench.spawn(&mut command)?;
        good &= bench.await_child(&mut child)?.success();
    }
    Ok(Finished { name, good, took: began.elapsed() })
}

pub(crate) fn all_good(steps: &[Finished]) -> bool {
    steps.iter().all(|step| step.good)
}

/// Ends the workbench of steps that are done. What was left there is kept for somebody to look at when one of them failed,
/// not when a person has interrupted them.
pub(crate) fn conclude(bench: Workbench, steps: Result<Vec<Finished>>) -> Result<Vec<Finished>> {
    let keep = match &steps {
        Ok(steps) => !all_good(steps),
        Err(error) => !error.is::<Interrupted>(),
    };
    bench.finish(keep)?;
    steps
}

pub(crate) fn summarise(steps: &[Finished]) {
    println!("\n== summary");
    for step in steps {
        say::line(step.name, format!("{}  ({})", if step.good { "passed" } else { "FAILED" }, seconds(step.took)));
    }
}
