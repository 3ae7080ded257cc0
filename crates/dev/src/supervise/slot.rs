//! One part and what is true of it now.

use super::backoff::Backoff;
use super::{Events, PROBE_EVERY};
use crate::mark::Mark;
use crate::part::Part;
use crate::prepare::build;
use crate::process::Identity;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy)]
pub(crate) enum State {
    Running {
        process: Identity,
        since: Instant,
        ready: bool,
    },
    Pausing {
        until: Instant,
    },
    /// Ended, and not started before something else has happened, nor before its pause is over.
    HeldBack {
        until: Instant,
    },
    Stopped,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) part: Part,
    pub(crate) log: PathBuf,
    mark: Mark,
    pub(crate) state: State,
    /// Until it is reaped; see `Event::Ended`.
    child: Option<Child>,
    backoff: Backoff,
}

impl Slot {
    pub(crate) fn new(part: Part, log: PathBuf, mark: Mark) -> Self {
        Self { part, log, mark, state: State::Stopped, child: None, backoff: Backoff::default() }
    }

    pub(crate) fn process(&self) -> Option<Identity> {
        match self.state {
            State::Running { process, .. } => Some(process),
            _ => None,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.state, State::Running { ready: true, .. })
    }

    /// Starts the process, leader of a group of its own, its output appended to its log.
    pub(crate) fn spawn(&mut self, events: &Events) -> Result<()> {
        let part = &self.part;
        if let Some(dir) = self.log.parent() {
            fs::create_dir_all(dir)?;
        }
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut command = Command::new(&part.program);
        // One of the parts compiles.
        build::forget_this_package(&mut command);
        command.args(&part.args).envs(part.env.iter().cloned()).envs([self.mark.variable()]).process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        if let Some(dir) = &part.dir {
            command.current_dir(dir);
        }
        let child = command.spawn().with_context(|| format!("cannot start {}", part.program.display()))?;
        // A child that has ended already is still there to be looked at until it is waited for.
        let process = Identity::of(child.id()).with_context(|| format!("no /proc entry for {}", part.name))?;
        self.state = State::Running { process, since: Instant::now(), ready: false };
        events.follow(process.pid);
        self.child = Some(child);
        Ok(())
    }

    /// Kills the process, as far as it lives, and all it started.
    pub(crate) fn kill(&self) {
        if let Some(child) = &self.child {
            self.mark.kill_what_is_left(child.id());
        }
    }

    /// Of a process that has ended: kills what it left behind, then gives its pid back to the kernel.
    pub(crate) fn reap(&mut self) -> Result<Option<ExitStatus>> {
        self.kill();
        let Some(mut child) = self.child.take() else { return Ok(None) };
        child.wait().map(Some).with_context(|| format!("cannot wait for {}", self.part.name))
    }

    /// Whether the part is ready; asks it when that is not yet known.
    pub(crate) fn probe(&mut self) -> bool {
        if let State::Running { ready, .. } = &mut self.state
            && !*ready
        {
            *ready = self.part.ready.answers();
        }
        self.is_ready()
    }

    /// The process has ended by itself: how long to wait before the next one.
    pub(crate) fn ended(&mut self, now: Instant) -> Duration {
        let ran = match self.state {
            State::Running { since, .. } => now.duration_since(since),
            _ => Duration::ZERO,
        };
        let pause = self.backoff.after(ran);
        self.state = State::Pausing { until: now + pause };
        pause
    }

    /// When somebody must look at it again, if nothing happens before.
    pub(crate) fn wants_attention_in(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Pausing { until } => Some(until.saturating_duration_since(now)),
            State::Running { ready: false, .. } => Some(PROBE_EVERY),
            State::Running { ready: true, .. } | State::HeldBack { .. } | State::Stopped => None,
        }
    }
}
