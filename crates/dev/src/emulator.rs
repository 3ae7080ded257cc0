//! AWS's Runtime Interface Emulator: the program of Lambda's own container images that gives one function its Runtime API,
//! here on the stores of the running stack. It takes one invocation at a time and knows neither function URLs nor Kafka.

use crate::part::lambda_local::Parameters;
use crate::part::{Probe, cargo_lambda, loopback};
use crate::ports::Ports;
use crate::prepare::{self, Pinned, machine};
use crate::process::signal_process;
use crate::stack::StackFile;
use crate::workspace::{FUNCTIONS, StackDir, Workspace};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::fs::File;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

const LISTENS_WITHIN: Duration = Duration::from_secs(10);
const ENDS_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The emulator with its function; both end when the value goes.
#[derive(Debug)]
pub(crate) struct Emulator {
    child: Child,
    /// Where to invoke: all its functions are called `function`.
    pub(crate) endpoint: String,
}

impl Emulator {
    /// Starts it with the function as it was last compiled. What both print goes to the log `rie-FUNCTION`.
    pub(crate) fn start(workspace: &Workspace, dir: &StackDir, stack: &StackFile, function: &str) -> Result<Self> {
        if !FUNCTIONS.contains(&function) {
            bail!("there is no function {function}; there are {}", FUNCTIONS.join(" and "));
        }
        machine::provide(&prepare::needs(workspace, &[Pinned::Rie]))?;
        prepare::parts(workspace, &[Pinned::Rie])?;
        let mut ports = Ports::for_stack(dir.root());
        let (invoke, runtime) = (loopback(ports.free()?), loopback(ports.free()?));
        let log = dir.log(&format!("rie-{function}"));
        let said = File::options().create(true).append(true).open(&log);
        let said = said.with_context(|| format!("cannot write {}", log.display()))?;
        let mut rie = Command::new(prepare::path(workspace, Pinned::Rie));
        rie.args(["--runtime-interface-emulator-address", &invoke.to_string()]);
        rie.args(["--runtime-api-address", &runtime.to_string()]).arg(workspace.binary(function));
        // What the functions get under `cargo lambda watch`, which reads no template either.
        rie.envs(cargo_lambda::variables(&Parameters::on_stores_of(stack)));
        rie.stdout(said.try_clone()?).stderr(said);
        let child = rie.spawn().context("cannot run the Runtime Interface Emulator")?;
        let endpoint = format!("http://{invoke}/2015-03-31/functions/function/invocations");
        let mut emulator = Self { child, endpoint };
        emulator.await_listening(&Probe::Port(invoke)).with_context(|| format!("see {}", log.display()))?;
        Ok(emulator)
    }

    fn await_listening(&mut self, probe: &Probe) -> Result<()> {
        let deadline = Instant::now() + LISTENS_WITHIN;
        while !probe.answers() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the Runtime Interface Emulator ended: {status}");
            }
            if Instant::now() > deadline {
                bail!("the Runtime Interface Emulator did not listen within {} s", LISTENS_WITHIN.as_secs());
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Emulator {
    /// A signal has it end its function first.
    fn drop(&mut self) {
        signal_process(self.child.id(), Signal::SIGTERM);
        let deadline = Instant::now() + ENDS_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(LOOK_EVERY);
        }
        let _ended_already = self.child.kill();
        let _ended = self.child.wait();
    }
}
