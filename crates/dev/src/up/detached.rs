//! `--detach`: a supervisor in a session of its own. The person sees what it says until it is ready or has failed; all
//! of it is in logs/up.log.

use super::{Functions, UpArgs, args, run};
use crate::exit;
use crate::stack::StackFile;
use crate::workspace::{StackDir, Workspace};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use nix::unistd::setsid;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

pub(crate) const LOG: &str = "up";

/// Starts the supervisor and returns when the stack is up: 0 when it is ready, 1 when a partition is stuck. A Ctrl-C meanwhile stops what was started.
pub(crate) fn start(dir: &StackDir) -> Result<ExitCode> {
    fs::create_dir_all(dir.logs()).with_context(|| format!("cannot make {}", dir.logs().display()))?;
    let path = dir.log(LOG);
    let log = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut command = Command::new(env::current_exe().context("cannot find this program")?);
    command.args(args::words_of_this_process()).arg("--supervised");
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    let supervisor = command.spawn().context("cannot start the supervisor")?;
    follow(dir, supervisor, File::open(&path)?, &interrupted)
}

fn follow(dir: &StackDir, mut supervisor: Child, mut said: File, interrupted: &AtomicBool) -> Result<ExitCode> {
    loop {
        let ended = supervisor.try_wait().context("cannot wait for the supervisor")?;
        let up = came_up(dir, supervisor.id());
        show(&mut said)?;
        if let Some(status) = ended {
            let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0);
            return Ok(ExitCode::from(code.unwrap_or(1)));
        }
        if let Some(file) = up {
            return Ok(exit::when(file.ready));
        }
        if interrupted.swap(false, Ordering::Relaxed) {
            crate::process::signal_process(supervisor.id(), Signal::SIGTERM);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// The stack of this supervisor, once it has come up.
fn came_up(dir: &StackDir, supervisor: u32) -> Option<StackFile> {
    let file = StackFile::read(dir).ok().flatten()?;
    (file.is_up() && file.supervisor.is_some_and(|process| process.pid == supervisor)).then_some(file)
}

fn show(said: &mut File) -> Result<()> {
    let mut text = Vec::new();
    said.read_to_end(&mut text)?;
    let mut out = io::stdout();
    out.write_all(&text)?;
    out.flush().map_err(Into::into)
}

/// The supervisor's side: a session of its own, so that no terminal's end reaches it.
pub(crate) fn be_supervisor(
    workspace: &Workspace,
    dir: &StackDir,
    args: &UpArgs,
    functions: Functions,
) -> Result<ExitCode> {
    setsid().context("cannot begin a session of its own")?;
    run::supervise(workspace, dir, args, functions, None)
}
