//! wrk, which asks on connections that stay open, and what it counts.

use crate::prepare::machine;
use crate::workbench::Workbench;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::process::Command;

const SCRIPT: &str = include_str!("requests.lua");

#[derive(Debug, Clone, Copy)]
pub(super) struct Load<'a> {
    pub(super) url: &'a str,
    /// At a time.
    pub(super) callers: u16,
    pub(super) seconds: u16,
    pub(super) request: Request,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Request {
    /// Deposits over so many accounts. A caller waits so long for the outcome; 0: not at all.
    Deposit { wait_seconds: u16, accounts: u32 },
    /// Whether the function is there.
    Health,
}

/// What the script prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) outcomes: u64,
    pub(super) accepted: u64,
    pub(super) failed: u64,
    pub(super) p50_micros: u64,
    pub(super) p99_micros: u64,
    pub(super) micros: u64,
}

impl Load<'_> {
    pub(super) fn run(self, bench: &mut Workbench) -> Result<Counted> {
        let (script, said) = (bench.place().join("requests.lua"), bench.place().join("wrk.out"));
        fs::write(&script, SCRIPT)?;
        let mut wrk = Command::new(machine::program("wrk")?);
        wrk.args(["--threads", "1", "--connections", &self.callers.to_string()]);
        wrk.args(["--duration", &format!("{}s", self.seconds), "--timeout", "30s", "--script"])
            .arg(script)
            .arg(self.url);
        if let Request::Deposit { wait_seconds, accounts } = self.request {
            wrk.args(["--", &wait_seconds.to_string(), &accounts.to_string()]);
        }
        let output = fs::File::create(&said)?;
        wrk.stderr(output.try_clone()?).stdout(output);
        let mut child = bench.spawn(&mut wrk)?;
        // What is measured is the caller's to stop.
        let ended = bench.await_one(&mut child)?;
        let said = fs::read_to_string(said)?;
        ensure!(ended.success(), "wrk gave up: {said}");
        counted(&said).with_context(|| format!("wrk printed no line of the script:\n{said}"))
    }
}

/// `counted 10 0 0 5100 9200 3000000`, and what wrk says of connections that failed.
fn counted(said: &str) -> Option<Counted> {
    let line = said.lines().find_map(|line| line.strip_prefix("counted "))?;
    let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [outcomes, accepted, failed, p50_micros, p99_micros, micros] = numbers[..] else { return None };
    Some(Counted { outcomes, accepted, failed, p50_micros, p99_micros, micros })
}

impl Counted {
    pub(super) fn answers(&self) -> u64 {
        self.outcomes + self.accepted
    }

    pub(super) fn per_second(&self, waits: bool) -> u64 {
        let number = if waits { self.outcomes } else { self.answers() };
        number.saturating_mul(1_000_000) / self.micros.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_prints_is_read() {
        let said = "Running 1s test\ncounted 10 2 1 5100 9200 1000000\n";
        let expected =
            Counted { outcomes: 10, accepted: 2, failed: 1, p50_micros: 5_100, p99_micros: 9_200, micros: 1_000_000 };
        assert_eq!(counted(said), Some(expected));
        assert_eq!(counted("unable to connect"), None);
        assert_eq!(counted("counted 1 2"), None);
    }
}
