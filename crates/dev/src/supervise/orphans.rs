//! Processes a killed supervisor left behind: found by what it wrote in stack.json, ended in order.
//!
//! A recorded pid is trusted only together with its start time; a group whose leader has died is trusted while no
//! other process has taken the leader's pid.

use crate::mark::Mark;
use crate::part::Stop;
use crate::process::Identity;
use crate::say;
use crate::stack::{PartRecord, StackFile};
use crate::workspace::StackDir;
use std::thread;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Ends all that are left, the last started first; how many parts that were.
pub(crate) fn end(dir: &StackDir, file: &StackFile) -> usize {
    file.parts.iter().rev().filter(|part| end_part(dir, part)).count()
}

fn end_part(dir: &StackDir, part: &PartRecord) -> bool {
    let Some(leader) = part.process else { return false };
    let mark = Mark::of(dir, &part.name);
    if !is_ours(leader) || mark.left(leader.pid).is_empty() {
        return false;
    }
    say::line(&part.name, format!("pid {} was left behind by a supervisor that was killed; ending it", leader.pid));
    let stop = Stop::of(&part.name);
    leader.signal(stop.signal);
    await_end(leader, stop.grace);
    mark.kill_what_is_left(leader.pid);
    await_nothing_left(leader.pid, &mark);
    true
}

fn is_ours(leader: Identity) -> bool {
    leader.is_alive() || Identity::of(leader.pid).is_none_or(|other| other == leader)
}

fn await_end(leader: Identity, within: Duration) {
    let deadline = Instant::now() + within;
    while leader.is_alive() && Instant::now() < deadline {
        thread::sleep(LOOK_EVERY);
    }
}

/// A killed process goes as soon as the kernel has closed what it had open.
fn await_nothing_left(group: u32, mark: &Mark) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !mark.left(group).is_empty() && Instant::now() < deadline {
        thread::sleep(LOOK_EVERY);
    }
}
