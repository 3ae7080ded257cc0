//! The first process of an environment, and the group it leads.
//!
//! A process that has ended keeps its number until it is reaped, and so does its group. So the group is signalled between
//! the two: the end is seen without reaping (`WNOWAIT`), then the group is killed, then the leader is reaped.

use std::io;
use std::process::ExitStatus;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tokio::io::AsyncRead;
use tokio::process::Child;
use tokio::signal::unix::{self, SignalKind};

/// A process that leads a group of its own. Dropped, it takes the group with it.
#[derive(Debug)]
pub(super) struct Leader {
    child: Child,
    /// Its number, and that of its group: none once it is reaped.
    pid: Option<Pid>,
    /// The ends of this program's children, whichever.
    ends: unix::Signal,
}

impl Leader {
    /// Watches a process that nobody has waited for.
    ///
    /// # Errors
    /// The ends of processes cannot be watched.
    pub(super) fn of(child: Child) -> io::Result<Self> {
        let ends = unix::signal(SignalKind::child())?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
        Ok(Self { child, pid, ends })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it prints, where that comes through a pipe.
    pub(super) fn outputs(&mut self) -> impl Iterator<Item = Box<dyn AsyncRead + Send + Unpin>> + use<> {
        let output = self.child.stdout.take().map(|output| Box::new(output) as Box<_>);
        let error = self.child.stderr.take().map(|error| Box::new(error) as Box<_>);
        [output, error].into_iter().flatten()
    }

    /// Waits for its end, and does not reap it.
    pub(super) async fn ended(&mut self) {
        // Ends are watched since before this looks, so none slips between.
        while let Some(pid) = self.pid {
            let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            let lives = matches!(waitid(Id::Pid(pid), look), Ok(WaitStatus::StillAlive));
            if !lives || self.ends.recv().await.is_none() {
                return;
            }
        }
    }

    /// Ends the whole group, and reaps the leader.
    pub(super) async fn end(mut self) -> io::Result<ExitStatus> {
        self.kill_group();
        self.ended().await;
        // Whoever it started in its last moment.
        self.kill_group();
        self.pid = None;
        self.child.wait().await
    }

    fn kill_group(&self) {
        if let Some(pid) = self.pid {
            // Gone already is as good.
            let _ = killpg(pid, Signal::SIGKILL);
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.kill_group();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;

    use tokio::process::Command;

    use super::*;

    fn shell(script: &str) -> Leader {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script]).process_group(0);
        Leader::of(Command::from(command).spawn().unwrap()).unwrap()
    }

    fn state(pid: u32) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(')').next()?.trim_start().chars().next()
    }

    /// Processes of a group that are not dead.
    fn alive(group: u32) -> usize {
        let of_the_group = |stat: &String| {
            let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
            fields.next() != Some("Z") && fields.nth(1) == Some(group.to_string().as_str())
        };
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let stats = processes.filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok());
        stats.filter(of_the_group).count()
    }

    #[tokio::test]
    async fn a_leader_that_ended_keeps_its_number_until_its_group_is_gone() {
        let mut leader = shell("sleep 1000 & exit 3");
        let pid = leader.pid().unwrap();
        leader.ended().await;
        assert_eq!(state(pid), Some('Z'), "it is not reaped");
        assert_eq!(alive(pid), 1, "what it left behind");
        assert_eq!(leader.end().await.unwrap().code(), Some(3));
        assert_eq!(state(pid), None, "it is reaped");
        until(|| alive(pid) == 0).await;
    }

    #[tokio::test]
    async fn one_that_is_dropped_takes_its_group_with_it() {
        let leader = shell("sleep 1000 & wait");
        let pid = leader.pid().unwrap();
        until(|| alive(pid) == 2).await;
        drop(leader);
        until(|| alive(pid) == 0).await;
    }

    async fn until(holds: impl Fn() -> bool) {
        let wait = async {
            while !holds() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), wait).await.unwrap();
    }
}
