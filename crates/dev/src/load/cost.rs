//! What a run cost: CPU time of every part, and how much of the machine went elsewhere meanwhile.

use crate::part::nginx;
use crate::process::{cpu_micros, group_members, machine_busy_micros};
use crate::stack::StackFile;
use crate::status;
use nix::sys::resource::{UsageWho, getrusage};
use std::collections::BTreeMap;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Meter {
    file: StackFile,
    /// What each process had used.
    used: BTreeMap<u32, u64>,
    ours: u64,
    busy: u64,
    began: Instant,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Microseconds of CPU time, in the order of the parts.
    parts: Vec<(String, u64)>,
    others: u64,
    elapsed: Duration,
    cores: u64,
}

impl Meter {
    pub(crate) fn start(file: &StackFile) -> Self {
        let used = processes(file).into_iter().flat_map(|(_, pids)| pids).map(|pid| (pid, cpu_micros(pid))).collect();
        Self { file: file.clone(), used, ours: own_and_children(), busy: machine_busy_micros(), began: Instant::now() }
    }

    pub(crate) fn stop(self) -> Cost {
        let elapsed = self.began.elapsed();
        let busy = machine_busy_micros().saturating_sub(self.busy);
        // A process that has started meanwhile had used nothing.
        let spent = |pid: u32| cpu_micros(pid).saturating_sub(self.used.get(&pid).copied().unwrap_or(0));
        let now = processes(&self.file).into_iter();
        let parts: Vec<(String, u64)> = now.map(|(name, pids)| (name, pids.into_iter().map(spent).sum())).collect();
        let known: u64 =
            parts.iter().map(|(_, micros)| micros).sum::<u64>() + own_and_children().saturating_sub(self.ours);
        let cores = available_parallelism().map_or(1, |cores| u64::try_from(cores.get()).unwrap_or(1));
        Cost { parts, others: busy.saturating_sub(known), elapsed, cores }
    }
}

impl Cost {
    /// `nginx 82 us, lambda-local 60 us, …`
    pub(crate) fn per_request(&self, requests: u64) -> String {
        if requests == 0 {
            return "no request was accepted".to_owned();
        }
        let each: Vec<String> =
            self.parts.iter().map(|(name, micros)| format!("{name} {} us", micros / requests)).collect();
        each.join(", ")
    }

    /// What these parts used.
    pub(crate) fn micros(&self, names: &[&str]) -> u64 {
        self.parts.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(_, micros)| micros).sum()
    }

    /// Of all the machine could have done in that time.
    pub(crate) fn others_percent(&self) -> u64 {
        let whole = u64::try_from(self.elapsed.as_micros()).unwrap_or(u64::MAX).saturating_mul(self.cores);
        self.others.saturating_mul(100) / whole.max(1)
    }
}

/// NGINX with its workers, every other part as one process, the execution environments by function.
fn processes(file: &StackFile) -> Vec<(String, Vec<u32>)> {
    let mut all: Vec<(String, Vec<u32>)> = Vec::new();
    for part in status::parts(file) {
        let Some(pid) = part.pid else { continue };
        let name = part.name.split('/').next().unwrap_or_default().to_owned();
        let pids = if name == nginx::NAME { group_members(pid) } else { vec![pid] };
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => known.extend(pids),
            None => all.push((name, pids)),
        }
    }
    all
}

/// CPU time of this program and of what it has run: ab and passbook.
fn own_and_children() -> u64 {
    let micros = |who| {
        let usage = getrusage(who).ok()?;
        let (user, system) = (usage.user_time(), usage.system_time());
        u64::try_from((user.tv_sec() + system.tv_sec()) * 1_000_000 + user.tv_usec() + system.tv_usec()).ok()
    };
    micros(UsageWho::RUSAGE_SELF).unwrap_or(0) + micros(UsageWho::RUSAGE_CHILDREN).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_by_request_and_the_rest_by_what_the_machine_could_do() {
        let parts = vec![("nginx".to_owned(), 82_000), ("api".to_owned(), 900)];
        let cost = Cost { parts, others: 200_000, elapsed: Duration::from_secs(1), cores: 2 };
        assert_eq!(cost.per_request(1000), "nginx 82 us, api 0 us");
        assert_eq!(cost.per_request(0), "no request was accepted");
        assert_eq!(cost.others_percent(), 10);
    }
}
