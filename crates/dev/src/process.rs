//! Processes as /proc shows them: who they are, whether they still live, what CPU time they have used.
//!
//! A pid alone names nobody for long: the kernel gives it away again. A pid with its start time does.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::fs;

/// Clock ticks in a second of /proc's CPU times: USER_HZ, 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: u64 = 100;

/// More than any part needs; some programs prepare for every file they may open.
const OPEN_FILES: u64 = 65_536;

/// One process, now and for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// Clock ticks after boot.
    pub(crate) started: u64,
}

impl Identity {
    pub(crate) fn of(pid: u32) -> Option<Self> {
        read_stat(pid).map(|stat| Self { pid, started: stat.started })
    }

    pub(crate) fn of_this_process() -> Option<Self> {
        Self::of(std::process::id())
    }

    pub(crate) fn is_alive(self) -> bool {
        read_stat(self.pid).is_some_and(|stat| stat.started == self.started && !stat.is_over())
    }

    pub(crate) fn signal(self, signal: Signal) {
        if self.is_alive() {
            signal_process(self.pid, signal);
        }
    }
}

/// The fields of /proc/PID/stat we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    state: char,
    group: u32,
    cpu_ticks: u64,
    threads: u64,
    started: u64,
}

impl Stat {
    /// A zombie has ended, and only its parent has not yet noticed; but one whose other threads still run is only about
    /// to end: they hold its files and its ports until the last of them is gone.
    fn is_over(self) -> bool {
        matches!(self.state, 'Z' | 'X') && self.threads <= 1
    }
}

fn read_stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The program's name stands in parentheses and may itself hold spaces and parentheses; the rest follows the last one.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        group: u32::try_from(number(2)?).ok()?,
        cpu_ticks: number(11)? + number(12)?,
        threads: number(17)?,
        started: number(19)?,
    })
}

/// Names this run of the machine: pids and start times mean nothing in the next one.
pub(crate) fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

pub(crate) fn every_pid() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The living processes of a process group; zombies do not count.
pub(crate) fn group_members(group: u32) -> Vec<u32> {
    let is_member = |pid: &u32| read_stat(*pid).is_some_and(|stat| stat.group == group && !stat.is_over());
    every_pid().into_iter().filter(is_member).collect()
}

/// CPU time of one process so far, in microseconds; nothing when it is gone.
pub(crate) fn cpu_micros(pid: u32) -> u64 {
    read_stat(pid).map_or(0, |stat| stat.cpu_ticks * 1_000_000 / TICKS_PER_SECOND)
}

/// Memory of one process that is in RAM, in bytes; nothing when it is gone.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    resident(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// The kernel's kB is 1,024 bytes (proc_pid_status(5)).
fn resident(proc_status: &str) -> Option<u64> {
    let value = proc_status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(value.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1_024)
}

/// CPU time all processors have been busy so far, in microseconds.
pub(crate) fn machine_busy_micros() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    busy_ticks(&text).unwrap_or(0) * 1_000_000 / TICKS_PER_SECOND
}

/// user, nice, system, irq, softirq and steal of the first line: everything but idle and waiting for a disk.
fn busy_ticks(proc_stat: &str) -> Option<u64> {
    let times: Vec<u64> = proc_stat.lines().next()?.split_whitespace().skip(1).map_while(|t| t.parse().ok()).collect();
    Some(times.iter().enumerate().filter(|(at, _)| matches!(at, 0..=2 | 5..=7)).map(|(_, ticks)| ticks).sum())
}

/// Sending a signal to what has already ended is no error.
pub(crate) fn signal_process(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ended_already = kill(Pid::from_raw(pid), signal);
    }
}

pub(crate) fn signal_group(group: u32, signal: Signal) {
    if let Ok(group) = i32::try_from(group) {
        let _ended_already = killpg(Pid::from_raw(group), signal);
    }
}

/// As many open files as this user may have, for this program and all it starts: many machines begin with 1,024, and a
/// thousand connections take more.
pub(crate) fn raise_open_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _as_it_was = setrlimit(Resource::RLIMIT_NOFILE, soft.max(hard.min(OPEN_FILES)), hard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident("VmHWM:\t    9 kB\nVmRSS:\t   24 kB\n"), Some(24_576));
        assert!(resident_bytes(std::process::id()).is_some_and(|bytes| bytes > 0));
        assert_eq!(resident("Name:\tx\n"), None);
    }

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let line = "42 (a (b) c) S 1 77 77 0 -1 4194560 9 0 0 0 12 30 0 0 20 0 1 0 555 1000 10 0 0";
        assert_eq!(parse_stat(line), Some(Stat { state: 'S', group: 77, cpu_ticks: 42, threads: 1, started: 555 }));
    }

    #[test]
    fn a_zombie_is_over_once_no_other_thread_of_it_runs() {
        let is_over = |state: char, threads: u8| {
            let line =
                format!("42 (a) {state} 1 77 77 0 -1 4194560 9 0 0 0 12 30 0 0 20 0 {threads} 0 555 1000 10 0 0");
            parse_stat(&line).unwrap().is_over()
        };
        assert!(is_over('Z', 1));
        assert!(!is_over('Z', 2), "the other thread still holds the ports");
        assert!(!is_over('S', 1));
    }

    #[test]
    fn a_line_cut_short_is_nobody() {
        assert_eq!(parse_stat("42 (a) S 1"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn this_process_is_alive_and_another_start_time_is_somebody_else() {
        let me = Identity::of_this_process().unwrap();
        assert!(me.is_alive());
        assert!(!Identity { started: me.started + 1, ..me }.is_alive());
    }

    #[test]
    fn idle_and_disk_wait_are_not_busy() {
        assert_eq!(busy_ticks("cpu  1 2 4 1000 2000 8 16 32 64 128\ncpu0 9"), Some(1 + 2 + 4 + 8 + 16 + 32));
    }
}
