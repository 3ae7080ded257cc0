//! The stacks that several tests share, each started by the first test that wants it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, anyhow};
use libtest_mimic::Trial;
use system_tests::logs::Expected;
use system_tests::{Options, Stack};

use crate::{door, events, killed_runtime, outage};

/// Nothing is broken here.
pub(crate) static CALM: Shared = Shared::new("the calm stack", &[], &[&door::EXPECTED, &events::EXPECTED]);
/// Parts are killed and stopped here.
pub(crate) static SHAKEN: Shared =
    Shared::new("the shaken stack", &[], &[&killed_runtime::EXPECTED, &outage::EXPECTED]);
/// Two back ends behind NGINX, which also speaks TLS. They are killed here.
pub(crate) static PAIRED: Shared = Shared::new(
    "the paired stack",
    &["--api-backends", "2", "--tls", "0"],
    &[&killed_runtime::EXPECTED, &door::EXPECTED],
);

pub(crate) struct Shared {
    name: &'static str,
    /// Of `dev up`.
    args: &'static [&'static str],
    expected: &'static [&'static [Expected]],
    stack: Mutex<Slot>,
    /// A test did, by an error or a panic.
    failed: AtomicBool,
}

enum Slot {
    NotYet,
    Up(Stack),
    /// It did not start; no test tries again.
    Failed(String),
    Finished,
}

impl Shared {
    const fn new(name: &'static str, args: &'static [&'static str], expected: &'static [&'static [Expected]]) -> Self {
        Self { name, args, expected, stack: Mutex::new(Slot::NotYet), failed: AtomicBool::new(false) }
    }

    pub(crate) fn with<T>(&self, test: impl FnOnce(&Stack) -> Result<T>) -> Result<T> {
        let mut slot = self.slot();
        if matches!(*slot, Slot::NotYet) {
            *slot = match Stack::start(Options { args: self.args.to_vec(), ..Options::default() }) {
                Ok(stack) => Slot::Up(stack),
                Err(error) => Slot::Failed(format!("{error:#}")),
            };
        }
        match &*slot {
            Slot::Up(stack) => {
                let failed_before = self.failed.swap(true, Ordering::Relaxed);
                let result = test(stack);
                self.failed.store(failed_before || result.is_err(), Ordering::Relaxed);
                result
            }
            Slot::Failed(why) => Err(anyhow!("{} did not start: {why}", self.name)),
            Slot::NotYet | Slot::Finished => Err(anyhow!("{} is down already", self.name)),
        }
    }

    /// Ends the stack, if it was ever started, and looks through its logs.
    pub(crate) fn finish(&self) -> Result<()> {
        match std::mem::replace(&mut *self.slot(), Slot::Finished) {
            Slot::Up(mut stack) => {
                if self.failed.load(Ordering::Relaxed) {
                    stack.a_test_failed();
                }
                stack.finish(&self.expected.concat()).context(self.name)
            }
            Slot::NotYet | Slot::Failed(_) | Slot::Finished => Ok(()),
        }
    }

    /// A test that panicked leaves the stack usable.
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn trial(name: &str, on: &'static Shared, test: fn(&Stack) -> Result<()>) -> Trial {
    Trial::test(name, move || Ok(on.with(test).map_err(said)?))
}

/// A test that brings its own stack.
pub(crate) fn lone_trial(name: &str, test: fn() -> Result<()>) -> Trial {
    Trial::test(name, move || Ok(test().map_err(said)?))
}

pub(crate) fn last_trial(shared: &'static Shared) -> Vec<Trial> {
    let name = format!("{}_ends_without_unexpected_errors", shared.name.replace(' ', "_"));
    vec![Trial::test(name, || Ok(shared.finish().map_err(said)?))]
}

/// An error with all its causes.
fn said(error: anyhow::Error) -> String {
    format!("{error:#}")
}
