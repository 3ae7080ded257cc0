//! Signals, by process id only, and only to processes of a stack that the tests started.

use std::fs;
use std::path::PathBuf;

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

/// Whether the process runs; a zombie does not.
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat"))).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
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

/// The processes whose command line or environment speaks of `text`, this one left out.
pub fn mentioning(text: &str) -> Vec<u32> {
    let own = std::process::id();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mentions = |pid: &u32| {
        let speaks = |file: &str| {
            let said = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&said).contains(text)
        };
        *pid != own && is_alive(*pid) && (speaks("cmdline") || speaks("environ"))
    };
    pids.filter(mentions).collect()
}
