//! `cargo dev down`: asks the supervisor to stop, and ends what a killed one left behind.

use crate::cli::DataArgs;
use crate::process::Identity;
use crate::say::{Step, seconds};
use crate::stack::{StackFile, hold};
use crate::supervise::orphans;
use crate::workspace::{StackDir, Workspace};
use anyhow::{Result, bail};
use nix::sys::signal::Signal;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// The log may drain for half a minute and every part has a grace of its own.
const LONGEST: Duration = Duration::from_secs(240);

pub(crate) fn run(workspace: &Workspace, args: &DataArgs) -> Result<ExitCode> {
    let dir = workspace.stack_dir(args.data.as_deref())?;
    let place = dir.root().display();
    let Some(file) = StackFile::read(&dir)? else {
        println!("No stack was ever started in {place}.");
        return Ok(ExitCode::SUCCESS);
    };
    let supervisor = file.supervisor_alive();
    if let Some(supervisor) = supervisor {
        stop(&dir, supervisor)?;
    }
    let was_running = supervisor.is_some();
    // Nobody may start the stack while what is left of the last one ends.
    let Some(_lock) = hold(&dir.lock_file())? else {
        if was_running {
            println!("Stopped the stack in {place}; another `cargo dev` has begun to start it again.");
            return Ok(ExitCode::SUCCESS);
        }
        bail!("a stack is just starting in {place}; try again")
    };
    // As the supervisor left it; one that was killed has left parts.
    let file = StackFile::read(&dir)?.unwrap_or(file);
    match (orphans::end(&dir, &file), was_running) {
        (0, true) => println!("Stopped the stack in {place}."),
        (0, false) => println!("Nothing runs in {place}."),
        (count, _) => println!("Ended {count} parts that a killed supervisor had left behind in {place}."),
    }
    StackFile { ready: false, supervisor: None, parts: Vec::new(), ..file }.write(&dir)?;
    Ok(ExitCode::SUCCESS)
}

/// Its end is the end of everything, unless it is killed: it stops its parts before itself.
fn stop(dir: &StackDir, supervisor: Identity) -> Result<()> {
    let step = Step::begin("down", "settling what was accepted, then stopping every part");
    supervisor.signal(Signal::SIGTERM);
    let deadline = Instant::now() + LONGEST;
    while supervisor.is_alive() || hold(&dir.lock_file())?.is_none() {
        if Instant::now() > deadline {
            bail!("the supervisor (pid {}) did not stop within {}", supervisor.pid, seconds(LONGEST));
        }
        thread::sleep(Duration::from_millis(50));
    }
    step.done("the supervisor has ended");
    Ok(())
}
