use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::guardian::Guardian;
use crate::logs::{self, Expected};
use crate::process::Identity;
use crate::sources::Sources;
use crate::workspace::{dev_program, root};
use crate::{Client, Log, Status, process, wait_until};

/// What `dev up` is told beside where and how.
#[derive(Debug, Default)]
pub struct Options {
    pub args: Vec<&'static str>,
    /// `dev watch` instead, of a copy of the sources.
    pub watch: Option<Sources>,
}

/// A whole stack in a directory of its own. Ended when the value goes; the directory is kept to look at unless the test
/// came to its end, which is `finish`.
#[derive(Debug)]
pub struct Stack {
    data: Option<TempDir>,
    options: Options,
    /// Nobody while the stack is down.
    guardian: Option<Guardian>,
    /// As it was when it came up; addresses stay for as long as it runs, process ids do not.
    at_start: Status,
    /// Whose logs are put aside.
    runs_before: u32,
    finished: bool,
    /// Of a test that shared it.
    failed: bool,
}

impl Stack {
    pub fn start(options: Options) -> Result<Self> {
        let mut stack = Self::not_yet_up(options)?;
        stack.up()?;
        Ok(stack)
    }

    /// A directory and no more, until `up`.
    pub fn not_yet_up(options: Options) -> Result<Self> {
        let data = tempfile::Builder::new().prefix("passbook-test-").tempdir().context("no directory for data")?;
        let at_start = Status::default();
        let data = Some(data);
        Ok(Self { data, options, guardian: None, at_start, runs_before: 0, finished: false, failed: false })
    }

    /// Brings the stack up, on the data it has.
    pub fn up(&mut self) -> Result<()> {
        let dev = dev_program()?;
        if self.guardian.is_none() {
            self.guardian = Some(Guardian::new(dev, self.data())?);
        }
        self.keep_logs_of_last_time()?;
        let log = self.data().join("up.log");
        let said = File::create(&log)?;
        let mut up = Command::new(dev);
        let word = if self.options.watch.is_some() { "watch" } else { "up" };
        up.args([word, "--detach", "--port", "0", "--data"]).arg(self.data()).args(&self.options.args);
        up.current_dir(root()).stdout(said.try_clone()?).stderr(said);
        if let Some(sources) = &self.options.watch {
            sources.name_in(&mut up);
        }
        let status = up.status().context("cannot run dev up")?;
        if !status.success() {
            bail!("dev up: {status}\n{}", fs::read_to_string(&log).unwrap_or_default());
        }
        let status = self.status()?;
        ensure!(status.ready, "dev up ended well, but the stack is not ready: {status:?}");
        ensure!(status.url.is_some(), "a ready stack has no URL: {status:?}");
        self.at_start = status;
        Ok(())
    }

    /// Brings it down, keeps the data, and sees that no process of it is left.
    pub fn down(&mut self) -> Result<()> {
        let Some(mut guardian) = self.guardian.take() else { return Ok(()) };
        let known = self.status().map(|status| status.processes()).unwrap_or_default();
        let ended = guardian.end();
        let left = kill_what_is_left(known, self.data());
        ended.with_context(|| fs::read_to_string(self.data().join("down.log")).unwrap_or_default())?;
        ensure!(left.is_empty(), "left behind by dev down, killed now: {left:?}");
        Ok(())
    }

    /// Down, with every log looked through for what it should not say.
    pub fn finish(mut self, expected: &[Expected]) -> Result<()> {
        self.down()?;
        for run in 1..=self.runs_before {
            logs::scan(&self.data().join(format!("logs-{run}")), expected)?;
        }
        logs::scan(&self.data().join("logs"), expected)?;
        self.finished = true;
        Ok(())
    }

    /// `dev` keeps the logs of one earlier run; here all are looked through in the end.
    fn keep_logs_of_last_time(&mut self) -> Result<()> {
        let logs = self.data().join("logs");
        if logs.exists() {
            self.runs_before += 1;
            fs::rename(&logs, self.data().join(format!("logs-{}", self.runs_before)))?;
        }
        Ok(())
    }

    /// Has the directory kept, however the stack ends.
    pub fn a_test_failed(&mut self) {
        self.failed = true;
    }

    /// What `dev watch` compiles.
    pub fn sources(&self) -> Result<&Sources> {
        self.options.watch.as_ref().context("this stack watches no sources")
    }

    pub fn data(&self) -> &Path {
        self.data.as_ref().map_or(Path::new(""), TempDir::path)
    }

    pub fn log_file(&self, name: &str) -> PathBuf {
        self.data().join("logs").join(format!("{name}.log"))
    }

    pub fn client(&self) -> Client {
        Client::new(self.url())
    }

    pub fn url(&self) -> &str {
        self.at_start.url.as_deref().unwrap_or_default()
    }

    /// Where a part can be reached.
    pub fn address(&self, part: &str) -> Result<&str> {
        self.at_start.address(part)
    }

    pub fn status(&self) -> Result<Status> {
        Status::of(self.data())
    }

    /// Runs a command of `dev` on this stack and gives what it printed.
    pub fn dev(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new(dev_program()?);
        command.args(args).arg("--data").arg(self.data()).current_dir(root());
        let output = command.output().context("cannot run dev")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let failed =
            || format!("dev {}: {}\n{said}{}", args.join(" "), output.status, String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), failed());
        Ok(said)
    }

    pub fn kafka(&self) -> Result<Log> {
        Log::connect(self.brokers()?)
    }

    pub fn brokers(&self) -> Result<&str> {
        let broker = self.address("kafka").or_else(|_| self.address("tansu"))?;
        Ok(broker.trim_start_matches("tcp://"))
    }

    /// The supervisor that `dev up --detach` left running.
    pub fn supervisor(&self) -> Result<u32> {
        let pid = self.file()?["supervisor"]["pid"].as_u64().context("stack.json names no supervisor")?;
        Ok(u32::try_from(pid)?)
    }

    /// Where HTTPS is spoken, and the certificate to trust there.
    pub fn tls(&self) -> Result<(String, PathBuf)> {
        let port = self.file()?["ports"]["nginx-tls"].as_u64().context("stack.json has no port for TLS")?;
        Ok((format!("https://localhost:{port}"), self.data().join("tls/localhost.crt")))
    }

    fn file(&self) -> Result<serde_json::Value> {
        let text = fs::read_to_string(self.data().join("stack.json")).context("stack.json")?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Kills a part with -9 and gives the id it had.
    pub fn kill(&self, name: &str) -> Result<u32> {
        let pid = self.status()?.part(name)?.running()?;
        process::kill(pid)?;
        Ok(pid)
    }

    /// Waits for another process in the place of the one that was killed, and for the stack to be ready.
    pub fn await_return(&self, name: &str, killed: u32, within: Duration) -> Result<()> {
        wait_until(&format!("{name} is back and the stack is ready"), within, || {
            let status = self.status()?;
            let is_back = status.part(name)?.pid.is_some_and(|pid| pid != killed);
            Ok((is_back && status.ready).then_some(()))
        })
    }

    /// Keeps the directory for somebody to look at.
    fn keep(&mut self) {
        if let Some(data) = self.data.take() {
            eprintln!("kept to look at: {}", data.keep().display());
        }
    }
}

/// Kills, and names, the processes of a stack that should have ended: those it had, and those that bear its mark.
pub fn kill_what_is_left(known: Vec<Identity>, data: &Path) -> Vec<u32> {
    let mut left: Vec<_> = known.into_iter().filter(|process| process.is_alive()).collect();
    left.extend(process::of_stack(data));
    left.sort_unstable();
    left.dedup();
    for process in left.iter().filter(|process| process.is_alive()) {
        // One may end by itself meanwhile.
        let _ = process::kill(process.pid);
    }
    left.into_iter().map(|process| process.pid).collect()
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Err(error) = self.down() {
            eprintln!("{error:#}");
        }
        if self.failed || !self.finished || thread::panicking() {
            self.keep();
        }
    }
}
