//! Everything a part has started, wherever it was put.
//!
//! Most of it is in the part's process group, but a part may begin groups of its own (`cargo lambda watch` does, for each
//! function), and those outlive it when it is killed. So each part is started with its name in its environment, which
//! its processes inherit and /proc shows. A workbench marks what works there by a variable of its own, which the parts of a
//! stack that is started there inherit beside the one of their part.

use crate::process::{every_pid, group_members, signal_group, signal_process};
use crate::workspace::StackDir;
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    variable: &'static str,
    value: String,
}

impl Mark {
    pub(crate) fn of(dir: &StackDir, part: &str) -> Self {
        Self { variable: "PASSBOOK_PART", value: format!("{}:{part}", dir.root().display()) }
    }

    pub(crate) fn of_workbench(dir: &StackDir) -> Self {
        Self { variable: "PASSBOOK_WORKBENCH", value: dir.root().display().to_string() }
    }

    /// For the environment of whatever is to bear it.
    pub(crate) fn variable(&self) -> (&'static str, &str) {
        (self.variable, &self.value)
    }

    /// Living processes that inherited it.
    fn bearers(&self) -> Vec<u32> {
        let wanted = format!("{}={}", self.variable, self.value);
        let bears = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
        };
        every_pid().into_iter().filter(bears).collect()
    }

    /// What is left of a part whose group this was.
    pub(crate) fn left(&self, group: u32) -> Vec<u32> {
        let mut left = group_members(group);
        left.extend(self.bearers());
        left.sort_unstable();
        left.dedup();
        left
    }

    pub(crate) fn kill_what_is_left(&self, group: u32) {
        signal_group(group, Signal::SIGKILL);
        self.kill_bearers();
    }

    /// One that starts another while it is looked for leaves that one behind: this looks until there is nobody new.
    pub(crate) fn kill_bearers(&self) {
        let mut known = BTreeSet::new();
        loop {
            let found: Vec<u32> = self.bearers().into_iter().filter(|pid| known.insert(*pid)).collect();
            if found.is_empty() {
                return;
            }
            found.into_iter().for_each(|pid| signal_process(pid, Signal::SIGKILL));
        }
    }
}
