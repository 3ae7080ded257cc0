//! Signals, by process id only, and only to processes of a stack that the tests started.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

pub use nix::sys::signal::Signal as Kind;

pub fn send(pid: u32, kind: Signal) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?);
    signal::kill(pid, kind).with_context(|| format!("cannot send {kind} to {pid}"))
}

/// `kill -9`.
pub fn kill(pid: u32) -> Result<()> {
    send(pid, Signal::SIGKILL)
}

/// One process, now and for ever: a pid alone is somebody else's after a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    pub pid: u32,
    /// Clock ticks after boot.
    started: u64,
}

impl Identity {
    /// Of a process that runs. A zombie does not, unless other threads of it do: those still hold its files and ports.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat"))).ok()?;
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let threads: u32 = fields.get(17)?.parse().ok()?;
        let runs = !matches!(*fields.first()?, "Z" | "X") || threads > 1;
        runs.then_some(Self { pid, started: fields.get(19)?.parse().ok()? })
    }

    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// Whether a process of this id runs.
pub fn is_alive(pid: u32) -> bool {
    Identity::of(pid).is_some()
}

/// Stops a process in its tracks until the value goes, however the test ends.
#[derive(Debug)]
pub struct Paused {
    pid: u32,
}

impl Paused {
    pub fn new(pid: u32) -> Result<Self> {
        send(pid, Signal::SIGSTOP)?;
        Ok(Self { pid })
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        // It may have been killed meanwhile.
        let _ = send(self.pid, Signal::SIGCONT);
    }
}

/// The processes of the stack in this directory, as far as `dev` has marked them: its parts by their environment, `dev`
/// itself by its arguments. This process is none of them.
pub fn of_stack(data: &Path) -> Vec<Identity> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let strings = |pid: u32, file: &str| {
        let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        bytes.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect::<Vec<_>>()
    };
    let data = data.display().to_string();
    let mark = format!("PASSBOOK_PART={data}:");
    let is_part = |pid| strings(pid, "environ").iter().any(|variable| variable.starts_with(&mark));
    let is_dev = |pid| strings(pid, "cmdline").windows(2).any(|words| words[0] == "--data" && words[1] == data);
    pids.filter(|pid| *pid != std::process::id() && (is_part(*pid) || is_dev(*pid))).filter_map(Identity::of).collect()
}
