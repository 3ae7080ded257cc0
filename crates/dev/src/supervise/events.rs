//! Everything that can happen to a supervisor, in one queue. Its writers are the signal thread and one thread for each
//! running part, so it never holds more than a few events.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// A part's process has ended. It is not reaped: until it is, nobody else can get its pid, so a signal to it or to its
    /// group reaches no stranger.
    Ended { pid: u32 },
    /// A person or a program wants everything to stop.
    Asked(Signal),
}

#[derive(Debug)]
pub(crate) struct Events {
    queue: Receiver<Event>,
    sender: Sender<Event>,
}

impl Events {
    /// Events of processes alone.
    pub(crate) fn of_processes() -> Self {
        let (sender, queue) = channel();
        Self { queue, sender }
    }

    /// From here on Ctrl-C, SIGTERM and the end of the terminal are events, and end this program no longer.
    pub(crate) fn with_signals() -> Result<Self> {
        let events = Self::of_processes();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
        let sender = events.sender.clone();
        thread::spawn(move || {
            for signal in signals.forever().filter_map(|number| Signal::try_from(number).ok()) {
                if sender.send(Event::Asked(signal)).is_err() {
                    return;
                }
            }
        });
        Ok(events)
    }

    /// The next event, if one comes in time.
    pub(crate) fn within(&self, wait: Duration) -> Option<Event> {
        self.queue.recv_timeout(wait).ok()
    }

    /// Reports the end of a child of this process.
    pub(crate) fn follow(&self, pid: u32) {
        let sender = self.sender.clone();
        thread::spawn(move || {
            await_end(pid);
            // Nobody waits for it any more when the supervisor is gone.
            let _gone = sender.send(Event::Ended { pid });
        });
    }

    #[cfg(test)]
    pub(crate) fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }
}

/// Leaves the ended process to be reaped by whoever holds it. An error says that it was reaped: ended, too.
fn await_end(pid: u32) {
    let Ok(pid) = i32::try_from(pid) else { return };
    let ended = || waitid(Id::Pid(Pid::from_raw(pid)), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
    while ended() == Err(Errno::EINTR) {}
}
