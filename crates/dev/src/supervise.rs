//! Keeps the parts of one stack running, and stops them in order.
//!
//! One thread decides. Everything that can happen reaches it as an `Event`: a part has ended (a thread per part waits for
//! it), or a person or a program wants the stack to stop (a thread waits for signals). What is true of a part is in its
//! `Slot`; what others may know of it is written to stack.json at every change.
//!
//! Promises: a part that ends by itself is started again on its data, after a pause that grows from 0.2 s to 10 s while it
//! keeps ending; the output says so. Whatever a part leaves behind is killed when it has ended, whenever that is. A part
//! that forgets is lost with what it held; it waits besides until the parts that rely on that have ended, and they start anew
//! when all is made again ([`loss`]). When this value
//! is dropped no process of it is left. Not promised: that a part which never becomes usable is given up on; it is tried
//! until the stack is stopped.

mod backoff;
mod events;
mod loss;
pub(crate) mod orphans;
mod slot;
#[cfg(test)]
mod tests;

pub(crate) use events::{Event, Events};

use crate::exit::Interrupted;
use crate::mark::Mark;
use crate::part::Part;
use crate::process::Identity;
use crate::say::{self, Step, seconds};
use crate::stack::{PartRecord, StackFile};
use crate::workspace::StackDir;
use anyhow::{Result, bail};
use loss::Loss;
use nix::sys::signal::Signal;
use slot::{Slot, State};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// How often a part that is starting is asked whether it is ready.
const PROBE_EVERY: Duration = Duration::from_millis(50);
/// Lines of a part's log that are quoted when it cannot start.
const QUOTED_LINES: usize = 12;

pub(crate) struct Supervisor {
    dir: StackDir,
    pub(crate) file: StackFile,
    slots: Vec<Slot>,
    events: Events,
    loss: Loss,
    /// A second signal has come while the stack stops: nothing is given a grace any more.
    hurried: bool,
}

impl Supervisor {
    pub(crate) fn new(dir: StackDir, file: StackFile, events: Events) -> Self {
        Self { dir, file, slots: Vec::new(), events, loss: Loss::default(), hurried: false }
    }

    pub(crate) fn write_file(&self) -> Result<()> {
        self.file.write(&self.dir)
    }

    /// Starts a part and returns at once; `await_ready` follows.
    pub(crate) fn launch(&mut self, part: Part) -> Result<()> {
        let log = self.dir.log(part.name);
        self.file.parts.retain(|known| known.name != part.name);
        self.file.parts.push(PartRecord {
            name: part.name.to_owned(),
            process: None,
            address: part.address.clone(),
            log: Some(log.display().to_string()),
        });
        let mark = Mark::of(&self.dir, part.name);
        let mut slot = Slot::new(part, log, mark);
        slot.spawn(&self.events)?;
        self.slots.push(slot);
        self.record(self.slots.len() - 1)
    }

    /// Waits for a part at its first start, when its end is a failure and not yet a reason to start it again.
    pub(crate) fn await_ready(&mut self, name: &str) -> Result<()> {
        let Some(at) = self.position(name) else { bail!("no part {name} was started") };
        let step = Step::begin(name, "starting");
        let deadline = Instant::now() + self.slots[at].part.ready_within;
        while !self.slots[at].probe() {
            if Instant::now() > deadline {
                bail!("{name} was not ready within {}{}", seconds(self.slots[at].part.ready_within), self.quote(at));
            }
            if let Some(event) = self.events.within(PROBE_EVERY) {
                self.during_start(event)?;
            }
        }
        step.done(&self.slots[at].part.address);
        Ok(())
    }

    /// Until everything is ready, a part that ends ends the start.
    pub(crate) fn check_start(&mut self) -> Result<()> {
        match self.events.within(Duration::ZERO) {
            Some(event) => self.during_start(event),
            None => Ok(()),
        }
    }

    /// Whether a signal is among what has happened and was not looked at yet.
    pub(crate) fn was_asked(&mut self) -> bool {
        let mut asked = false;
        while let Some(event) = self.events.within(Duration::ZERO) {
            match event {
                Event::Asked(_) => asked = true,
                Event::Ended { pid } => self.mark_stopped(pid),
            }
        }
        asked
    }

    fn during_start(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Asked(_) => Err(Interrupted.into()),
            Event::Ended { pid } => match self.by_pid(pid) {
                Some(at) => {
                    let how = how(self.slots[at].reap()?);
                    self.slots[at].state = State::Stopped;
                    bail!("{} ended while it started ({how}){}", self.slots[at].part.name, self.quote(at))
                }
                None => Ok(()),
            },
        }
    }

    /// Watches over the parts until a signal asks the stack to stop.
    pub(crate) fn watch(&mut self) -> Result<Signal> {
        loop {
            let now = Instant::now();
            let loss = self.loss.wants_attention_in(now);
            let wait = self.slots.iter().filter_map(|slot| slot.wants_attention_in(now)).chain(loss).min();
            match self.events.within(wait.unwrap_or(Duration::from_secs(3600))) {
                Some(Event::Asked(signal)) => return Ok(signal),
                Some(Event::Ended { pid }) => self.ended(pid)?,
                None => {}
            }
            for at in 0..self.slots.len() {
                self.attend(at)?;
            }
            self.attend_to_loss()?;
        }
    }

    fn ended(&mut self, pid: u32) -> Result<()> {
        let Some(at) = self.by_pid(pid) else { return Ok(()) };
        let how = how(self.slots[at].reap()?);
        if self.must_wait(at) {
            say::line(self.slots[at].part.name, format!("pid {pid} ended ({how})"));
            self.slots[at].state = State::HeldBack { until: Instant::now() };
            return self.record(at);
        }
        let pause = self.slots[at].ended(Instant::now());
        let slot = &self.slots[at];
        let lost = if slot.part.forgets { "; all it held is lost" } else { " on its data" };
        let name = slot.part.name;
        say::line(name, format!("pid {pid} ended ({how}); starting it again in {}{lost}", seconds(pause)));
        self.file.ready = false;
        if slot.part.forgets {
            self.lost(at);
        }
        self.record(at)
    }

    /// Starts a part whose pause is over, and asks one that was started again whether it is back.
    fn attend(&mut self, at: usize) -> Result<()> {
        let state = self.slots[at].state;
        match state {
            State::Pausing { until } if until <= Instant::now() => {
                if let Err(error) = self.slots[at].spawn(&self.events) {
                    say::line(self.slots[at].part.name, format!("{error:#}"));
                    self.slots[at].ended(Instant::now());
                }
                self.record(at)
            }
            State::Running { ready: false, since, .. } if self.slots[at].probe() => self.came_back(at, since.elapsed()),
            State::Running { ready: false, since, .. } if since.elapsed() > self.slots[at].part.ready_within => {
                say::line(self.slots[at].part.name, "does not become ready; ending it to start it again");
                self.slots[at].kill();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn came_back(&mut self, at: usize, took: Duration) -> Result<()> {
        let slot = &self.slots[at];
        say::line(slot.part.name, format!("is back at {}  ({})", slot.part.address, seconds(took)));
        if slot.part.forgets {
            self.make_up_for_loss();
        }
        self.judge_readiness()
    }

    fn judge_readiness(&mut self) -> Result<()> {
        self.file.ready = self.loss.is_made_up() && self.slots.iter().all(Slot::is_ready);
        self.write_file()
    }

    /// Stops one part and all it started. A part that is not running is stopped already.
    pub(crate) fn stop(&mut self, name: &str) -> Result<()> {
        let Some(at) = self.position(name) else { return Ok(()) };
        let State::Running { process, .. } = self.slots[at].state else {
            self.slots[at].state = State::Stopped;
            return Ok(());
        };
        let step = Step::begin(name, "stopping");
        let stop = self.slots[at].part.stop;
        process.signal(stop.signal);
        let orderly = !self.hurried && self.await_end(at, process, stop.grace);
        self.slots[at].kill();
        if orderly || self.await_end(at, process, Duration::from_secs(10)) {
            self.slots[at].reap()?;
        }
        self.slots[at].state = State::Stopped;
        self.record(at)?;
        step.done(if orderly { "stopped" } else { "killed" });
        Ok(())
    }

    /// A second signal while the stack stops means: at once, this part and all that come after it.
    fn await_end(&mut self, at: usize, process: Identity, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let name = self.slots[at].part.name;
        loop {
            match self.events.within(deadline.saturating_duration_since(Instant::now())) {
                Some(Event::Ended { pid }) if pid == process.pid => return true,
                Some(Event::Ended { pid }) => self.mark_stopped(pid),
                Some(Event::Asked(_)) if self.hurried => {}
                Some(Event::Asked(_)) => {
                    say::line(name, "asked again: not waiting for an orderly end");
                    self.hurried = true;
                    return false;
                }
                None => {
                    say::line(name, format!("did not stop within {}", seconds(within)));
                    return false;
                }
            }
        }
    }

    /// A part that ends while nobody would start it again.
    fn mark_stopped(&mut self, pid: u32) {
        if let Some(at) = self.by_pid(pid) {
            if let Err(error) = self.slots[at].reap() {
                say::line(self.slots[at].part.name, format!("{error:#}"));
            }
            self.slots[at].state = State::Stopped;
        }
    }

    /// Waits, unless a signal asks for an end; whether it did.
    pub(crate) fn asked_within(&mut self, wait: Duration) -> bool {
        match self.events.within(wait) {
            Some(Event::Asked(_)) => true,
            Some(Event::Ended { pid }) => {
                self.mark_stopped(pid);
                false
            }
            None => false,
        }
    }

    /// As `asked_within`, while the stack stops: whether there is no time for order any more.
    pub(crate) fn hurried_within(&mut self, wait: Duration) -> bool {
        self.hurried = self.hurried || self.asked_within(wait);
        self.hurried
    }

    /// Stops everything, the last started first.
    pub(crate) fn stop_all(&mut self) -> Result<()> {
        let names: Vec<&'static str> = self.slots.iter().rev().map(|slot| slot.part.name).collect();
        names.into_iter().try_for_each(|name| self.stop(name))
    }

    pub(crate) fn is_running(&self, name: &str) -> bool {
        self.slots.iter().any(|slot| slot.part.name == name && matches!(slot.state, State::Running { .. }))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.slots.iter().position(|slot| slot.part.name == name)
    }

    fn by_pid(&self, pid: u32) -> Option<usize> {
        self.slots.iter().position(|slot| slot.process().is_some_and(|process| process.pid == pid))
    }

    fn record(&mut self, at: usize) -> Result<()> {
        let (name, process) = (self.slots[at].part.name, self.slots[at].process());
        if let Some(record) = self.file.part_mut(name) {
            record.process = process;
        }
        self.write_file()
    }

    fn quote(&self, at: usize) -> String {
        let log = &self.slots[at].log;
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n    ");
        format!("; the end of {}:\n    {last}", log.display())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        for slot in &mut self.slots {
            let _killed_is_all_that_can_be_done = slot.reap();
        }
    }
}

fn how(ended: Option<ExitStatus>) -> String {
    ended.map_or_else(|| "reaped already".to_owned(), |status| status.to_string())
}
