//! A program that ends when its owner does.
//!
//! A small shell runs it and waits at a pipe whose other end only the tests hold. The pipe closes when a [`Kept`] is
//! dropped, and also when the process of the tests is killed; then the shell asks the program to end.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::wait_until;

/// An orderly end: Kafka's, or that of a lambda-local with an invocation under way.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

const KEEP: &str = r#"
"$@" </dev/null &
read -r _
kill -TERM $! 2>/dev/null
wait $!
"#;

#[derive(Debug)]
pub(crate) struct Kept {
    name: String,
    shell: Child,
}

impl Kept {
    /// Starts a command with what it says going to a file.
    pub(crate) fn start(command: &Command, log: &Path) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let said = File::create(log).with_context(|| log.display().to_string())?;
        let mut shell = Command::new("sh");
        shell.args(["-c", KEEP, "sh"]).arg(command.get_program()).args(command.get_args());
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.stdin(Stdio::piped()).stdout(said.try_clone()?).stderr(said);
        // Ctrl-C reaches the tests; the shell then acts on the pipe.
        shell.process_group(0);
        Ok(Self { name, shell: shell.spawn().context("cannot run sh")? })
    }

    fn end(&mut self) -> Result<()> {
        drop(self.shell.stdin.take());
        let ended = wait_until(&format!("{} ends", self.name), ENDS_WITHIN, || Ok(self.shell.try_wait()?));
        if ended.is_err() {
            killpg(Pid::from_raw(i32::try_from(self.shell.id())?), Signal::SIGKILL)?;
            self.shell.wait()?;
        }
        ended.map(drop)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("{error:#}");
        }
    }
}
