//! A lambda-local that runs one function, on the stores of a workbench.

use crate::part::Probe;
use crate::part::lambda_local::{self, Parameters, url, words_of_start};
use crate::process::{Identity, signal_process};
use crate::stack::{PartRecord, StackFile};
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

const READY_WITHIN: Duration = Duration::from_secs(60);

/// Which lambda-local, and what it runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Which<'a> {
    /// Whose lambda-local and template.
    pub(super) workspace: &'a Workspace,
    /// Where the functions' programs are.
    pub(super) binaries: &'a Path,
    pub(super) function: &'a str,
    pub(super) parameters: &'a Parameters,
    /// Names the folder of its logs.
    pub(super) logs: &'a str,
}

pub(super) struct Runtime {
    child: Child,
    pub(super) url: String,
    /// Of the function.
    pub(super) log: PathBuf,
}

impl Runtime {
    /// Waits until it is ready.
    pub(super) fn start(which: Which<'_>, bench: &mut Workbench) -> Result<Self> {
        let logs = bench.place().join(format!("logs-{}", which.logs));
        fs::create_dir_all(&logs)?;
        let port = bench.free_port()?;
        let mut command = Command::new(which.workspace.binary("lambda-local"));
        command
            .args(words_of_start(which.workspace, port, which.binaries, &logs, which.parameters))
            .args(["--function", which.function]);
        let output = fs::File::options().create(true).append(true).open(logs.join("lambda-local.log"))?;
        command.stderr(output.try_clone()?).stdout(output);
        let log = logs.join(format!("{}.log", which.function));
        let runtime = Self { child: bench.spawn(&mut command)?, url: url(port), log };
        let probe = Probe::Http(format!("{}/health", runtime.url));
        let ready = bench.until(READY_WITHIN, || Ok(probe.answers().then_some(())));
        match ready.with_context(|| format!("lambda-local is not ready; its log is in {}", logs.display())) {
            Ok(()) => Ok(runtime),
            Err(error) => runtime.stop(bench).and(Err(error)),
        }
    }

    /// This one among the stores, for a meter.
    pub(super) fn beside(&self, bench: &Workbench) -> Result<StackFile> {
        let mut file = bench.file().clone();
        let process = Identity::of(self.child.id()).context("lambda-local has ended by itself")?;
        let name = lambda_local::NAME.to_owned();
        file.parts.push(PartRecord { name, process: Some(process), address: self.url.clone(), log: None });
        Ok(file)
    }

    pub(super) fn stop(mut self, bench: &mut Workbench) -> Result<()> {
        signal_process(self.child.id(), Signal::SIGTERM);
        bench.await_child(&mut self.child).map(drop)
    }
}
