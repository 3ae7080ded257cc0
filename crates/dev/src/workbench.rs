//! A place for tests and benchmarks to work at: a temporary directory and, in it, stores of their own (a mongod, a Kafka,
//! an embedded broker) on free ports, gone when the work is done. They are not started again when they end: a test has to
//! notice.
//!
//! What works there runs in a process group of its own and bears a mark. A Ctrl-C is for this program, which ends that
//! group and waits until the stacks it had started have ended too: each is ended by whoever watches over it.

use crate::exit::Interrupted;
use crate::mark::Mark;
use crate::operator::Operator;
use crate::part::lambda_local::Parameters;
use crate::part::{Part, Probe, cargo_lambda, kafka, mongod, nginx, tansu};
use crate::ports::Ports;
use crate::prepare::{self, Pinned};
use crate::process::signal_group;
use crate::say::Step;
use crate::stack::StackFile;
use crate::supervise::{Events, Supervisor};
use crate::workspace::{StackDir, Workspace};
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A guardian of the tests stops its stack in order, which may take an invocation of `settler` its minute.
const STACKS_END_WITHIN: Duration = Duration::from_secs(180);
/// A killed process goes as soon as the kernel has closed what it had open.
const KILLED_WITHIN: Duration = Duration::from_secs(10);
/// A function with all its dependencies, on a slow machine.
const COMPILED_WITHIN: Duration = Duration::from_secs(1_800);
/// Between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(crate) struct Workbench {
    supervisor: Supervisor,
    ports: Ports,
    dir: StackDir,
    temp: TempDir,
}

impl Workbench {
    /// From here on Ctrl-C ends the work in order; see `finish`.
    pub(crate) fn new() -> Result<Self> {
        let temp =
            tempfile::Builder::new().prefix("passbook-").tempdir().context("cannot make a temporary directory")?;
        let dir = StackDir::at(temp.path().to_owned());
        let supervisor = Supervisor::new(dir.clone(), StackFile::default(), Events::with_signals()?);
        Ok(Self { supervisor, ports: Ports::for_stack(temp.path()), dir, temp })
    }

    /// The URI of a replica set of one that takes transactions.
    pub(crate) fn mongod(&mut self, workspace: &Workspace) -> Result<String> {
        self.mongod_with(workspace, mongod::part)
    }

    /// The same, with so many gigabytes of cache.
    pub(crate) fn mongod_with_cache(&mut self, workspace: &Workspace, cache_gb: &str) -> Result<String> {
        self.mongod_with(workspace, |program, port, data| mongod::part_with_cache(program, port, data, cache_gb))
    }

    fn mongod_with(&mut self, workspace: &Workspace, part: impl FnOnce(PathBuf, u16, &Path) -> Part) -> Result<String> {
        let port = self.ports.free()?;
        fs::create_dir_all(self.dir.mongo())?;
        self.supervisor.launch(part(prepare::path(workspace, Pinned::Mongod), port, &self.dir.mongo()))?;
        self.supervisor.await_ready(mongod::NAME)?;
        let uri = mongod::uri(port);
        let operator = Operator::new(workspace, "", &uri);
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(error) = operator.make_store(true) {
            if Instant::now() > deadline {
                return Err(error);
            }
            self.pause(Duration::from_millis(200))?;
        }
        Ok(uri)
    }

    /// The address of an Apache Kafka.
    pub(crate) fn kafka(&mut self, workspace: &Workspace) -> Result<String> {
        let (broker, controller) = (self.ports.free()?, self.ports.free()?);
        let jars = prepare::path(workspace, Pinned::Kafka);
        let place = kafka::Place { jars, dir: self.dir.kafka(), broker, controller };
        kafka::prepare(&place)?;
        self.supervisor.launch(kafka::part(&place)?)?;
        self.supervisor.await_ready(kafka::NAME)?;
        Ok(kafka::address(broker))
    }

    /// The address of an embedded broker.
    pub(crate) fn tansu(&mut self, workspace: &Workspace) -> Result<String> {
        let port = self.ports.free()?;
        self.supervisor.launch(tansu::part(prepare::path(workspace, Pinned::Tansu), port))?;
        self.supervisor.await_ready(tansu::NAME)?;
        Ok(kafka::address(port))
    }

    /// The address of a `cargo lambda watch` that has compiled a function and answers at its path.
    pub(crate) fn cargo_lambda(
        &mut self,
        workspace: &Workspace,
        parameters: &Parameters,
        path: &str,
    ) -> Result<String> {
        let port = self.ports.free()?;
        fs::create_dir_all(self.dir.logs())?;
        let part = cargo_lambda::part(workspace, prepare::path(workspace, Pinned::CargoLambda), port, parameters);
        let address = part.address.clone();
        let ready = Probe::Http(format!("{address}{path}"));
        self.supervisor.launch(Part { ready, ready_within: COMPILED_WITHIN, ..part })?;
        self.supervisor.await_ready(cargo_lambda::NAME)?;
        Ok(address)
    }

    /// The URL of an NGINX before back ends, with the configuration that Passbook's has.
    pub(crate) fn nginx(&mut self, workspace: &Workspace, behind: &nginx::Behind) -> Result<String> {
        let port = self.ports.free()?;
        fs::create_dir_all(self.dir.logs())?;
        nginx::prepare(workspace, &self.dir, &nginx::Front { port, tls: None, settings: &[] }, behind)?;
        self.supervisor.launch(nginx::part(&self.dir, port)?)?;
        self.supervisor.await_ready(nginx::NAME)?;
        Ok(nginx::url(port))
    }

    pub(crate) fn free_port(&mut self) -> Result<u16> {
        self.ports.free()
    }

    /// What runs here, as a stack tells it.
    pub(crate) fn file(&self) -> &StackFile {
        &self.supervisor.file
    }

    /// Where the work is done.
    pub(crate) fn place(&self) -> &Path {
        self.dir.root()
    }

    fn mark(&self) -> Mark {
        Mark::of_workbench(&self.dir)
    }

    /// Starts a program that works here; `await_child` follows.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<Child> {
        command.process_group(0).envs([self.mark().variable()]);
        command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))
    }

    /// Waits for a program that works here; a signal ends it, and all it started, too.
    pub(crate) fn await_child(&mut self, child: &mut Child) -> Result<ExitStatus> {
        let ended = self.await_one(child);
        if ended.as_ref().is_err_and(anyhow::Error::is::<Interrupted>) {
            self.await_nothing_left(child.id());
        }
        ended
    }

    /// Waits for a program that works here; a signal ends it, and leaves to the caller what it has started.
    pub(crate) fn await_one(&mut self, child: &mut Child) -> Result<ExitStatus> {
        loop {
            if let Some(status) = child.try_wait().context("cannot wait for a program")? {
                return Ok(status);
            }
            if self.pause(Duration::from_millis(50)).is_err() {
                signal_group(child.id(), Signal::SIGTERM);
                child.wait().context("cannot wait for a program")?;
                return Err(Interrupted.into());
            }
        }
    }

    /// What has not ended in time, or when a second signal asks to hurry, is killed: the stacks' parts too, which nobody
    /// would know any more.
    fn await_nothing_left(&mut self, group: u32) {
        let _step = Step::begin("interrupted", "waiting for what was started to stop");
        let mut deadline = Instant::now() + STACKS_END_WITHIN;
        let mut killing = false;
        while !self.mark().left(group).is_empty() {
            let asked = self.pause(Duration::from_millis(50)).is_err();
            let is_over = Instant::now() > deadline;
            match killing {
                true if is_over => return,
                false if asked || is_over => (killing, deadline) = (true, Instant::now() + KILLED_WITHIN),
                _ => {}
            }
            if killing {
                self.mark().kill_what_is_left(group);
            }
        }
    }

    /// An error once a signal has come.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.pause(Duration::ZERO)
    }

    /// An error when a signal comes meanwhile.
    pub(crate) fn pause(&mut self, wait: Duration) -> Result<()> {
        if self.supervisor.asked_within(wait) { Err(Interrupted.into()) } else { Ok(()) }
    }

    /// Asks again and again until there is an answer; an error when there is none in time, or when a signal comes.
    pub(crate) fn until<T>(&mut self, within: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(found) = ask()? {
                return Ok(found);
            }
            ensure!(Instant::now() < deadline, "waited {} s", within.as_secs());
            self.pause(LOOK_EVERY)?;
        }
    }

    /// For when what works here cannot be ended in order.
    pub(crate) fn kill_what_works_here(&self) {
        self.mark().kill_bearers();
    }

    /// Stops the stores; their data and logs are kept when somebody should look at them.
    pub(crate) fn finish(mut self, keep: bool) -> Result<()> {
        // Orderly, but at once where order takes long: nobody needs the data any more.
        self.supervisor.stop_all()?;
        drop(self.supervisor);
        if keep {
            println!("What was left to look at is in {}", self.temp.keep().display());
        }
        Ok(())
    }
}
