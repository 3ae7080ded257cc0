//! What an `up` does when its directory is in use: a stack that runs is shown, one that is starting is waited for.

use crate::say::Step;
use crate::stack::{StackFile, hold};
use crate::workspace::StackDir;
use anyhow::{Result, bail};
use std::thread;
use std::time::{Duration, Instant};

/// A start may compile nothing any more, so it takes seconds; on a busy machine, a minute.
const START_TAKES_AT_MOST: Duration = Duration::from_secs(300);

/// The stack that runs here, once it is ready; nothing when none does.
pub(crate) fn running(dir: &StackDir) -> Result<Option<StackFile>> {
    let deadline = Instant::now() + START_TAKES_AT_MOST;
    let mut waiting: Option<Step> = None;
    while hold(&dir.lock_file())?.is_none() {
        if let Some(file) = StackFile::read(dir)?
            && file.is_up()
            && file.supervisor_alive().is_some()
        {
            return Ok(Some(file));
        }
        if Instant::now() > deadline {
            bail!(
                "the stack in {} is not ready, see `cargo dev status`; stop it with `cargo dev down`",
                dir.root().display()
            );
        }
        waiting
            .get_or_insert_with(|| Step::begin("up", "another `cargo dev up` is starting this stack; waiting for it"));
        thread::sleep(Duration::from_millis(100));
    }
    Ok(None)
}
