//! One execution environment: a process of the function with a Runtime API of its own on a loopback port, so that who
//! calls is known by the address and not guessed.
//!
//! The process is a group of its own (an interrupt on the terminal does not reach it: this program drains first) and is
//! killed with its whole group. Should this program itself be killed, the kernel kills the processes too (parent-death
//! signal); since that signal is tied to the thread that spawned, all spawning happens on one thread that never ends. A
//! process whose parent is gone before it could ask for that signal does not start.
//!
//! It works in the folder of its package, `LAMBDA_TASK_ROOT`, as on AWS: the one its program is in.
//!
//! A group is signalled only while its leader is not reaped ([`leader`]): the number of one that is may be somebody else's.

use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, mpsc};

use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, getppid};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::function::Function;
use crate::http_server::{self, Patience};
use crate::pool::EnvironmentId;
use crate::runtime_api;

mod leader;
mod variables;

use leader::Leader;

/// How an environment came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// There never was a process.
    NotStarted(String),
    /// The process ended, as AWS says it.
    Exited(String),
}

/// Runs an environment until its process ends or `stopped` says to end it.
pub(crate) async fn run(
    function: &Arc<Function>,
    id: EnvironmentId,
    spawner: &Spawner,
    stopped: oneshot::Receiver<()>,
) -> Ending {
    let (leader, server) = match start(function, id, spawner).await {
        Ok(started) => started,
        Err(error) => {
            let program = function.settings.program.display();
            tracing::warn!(function = function.name(), %program, %error, "cannot start an environment");
            return Ending::NotStarted(format!("cannot run {program}: {error}"));
        }
    };
    let ending = watch(function, id, leader, stopped).await;
    server.abort();
    ending
}

async fn start(
    function: &Arc<Function>,
    id: EnvironmentId,
    spawner: &Spawner,
) -> io::Result<(Leader, tokio::task::JoinHandle<()>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let leader = Leader::of(spawner.spawn(command(function, id, &address.to_string())?).await?)?;
    function.spawned(id, leader.pid());
    let api = runtime_api::RuntimeApi::new(Arc::clone(function), id);
    let (close, closing) = http_server::closing();
    let server = tokio::spawn(async move {
        http_server::serve(listener, closing, Patience::FUNCTIONS, move |_, request| api.clone().handle(request)).await;
        drop(close);
    });
    tracing::debug!(function = function.name(), environment = id.0, pid = leader.pid(), "environment started");
    Ok((leader, server))
}

fn command(function: &Function, id: EnvironmentId, runtime_api: &str) -> io::Result<Command> {
    let mut command = std::process::Command::new(&function.settings.program);
    command.env_clear().envs(variables::of(function, id, runtime_api));
    command.current_dir(function.task_root());
    command.stdin(std::process::Stdio::null()).stdout(function.log.stdio()?).stderr(function.log.stdio()?);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    die_with(&mut command, getpid());
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    Ok(command)
}

#[expect(
    unsafe_code,
    reason = "runs between fork and exec, where only async-signal-safe calls may be made: prctl and getppid are"
)]
fn die_with(command: &mut std::process::Command, parent: Pid) {
    use std::os::unix::process::CommandExt;
    let ask = move || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        // A parent that died before that sends no signal any more; whoever adopted this process is not it.
        if getppid() == parent { Ok(()) } else { Err(nix::errno::Errno::ESRCH.into()) }
    };
    // SAFETY: the closure makes two system calls and allocates nothing.
    unsafe {
        command.pre_exec(ask);
    }
}

async fn watch(
    function: &Arc<Function>,
    id: EnvironmentId,
    mut leader: Leader,
    stopped: oneshot::Receiver<()>,
) -> Ending {
    let pid = leader.pid();
    for output in leader.outputs() {
        let function = Arc::clone(function);
        tokio::spawn(async move { function.log.follow(id, output).await });
    }
    let on_purpose = tokio::select! {
        () = leader.ended() => false,
        _ = stopped => true,
    };
    let how = match leader.end().await {
        Ok(status) => describe(status),
        Err(error) => format!("Runtime exited with error: {error}"),
    };
    if !on_purpose {
        tracing::warn!(function = function.name(), environment = id.0, pid, how, "an environment's process ended");
    }
    Ending::Exited(how)
}

/// An exit status as AWS words it.
fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(signal)) => {
            let name = Signal::try_from(signal).map_or("unknown", |signal| signal_word(signal));
            format!("Runtime exited with error: signal: {name}")
        }
        (None, None) => "Runtime exited".to_owned(),
    }
}

fn signal_word(signal: Signal) -> &'static str {
    match signal {
        Signal::SIGKILL => "killed",
        Signal::SIGSEGV => "segmentation fault",
        Signal::SIGABRT => "aborted",
        Signal::SIGTERM => "terminated",
        Signal::SIGINT => "interrupt",
        other => other.as_str(),
    }
}

type Order = (Command, Handle, oneshot::Sender<io::Result<Child>>);

/// The thread that spawns every process.
#[derive(Clone, Debug)]
pub(crate) struct Spawner(mpsc::Sender<Order>);

impl Spawner {
    /// Starts the thread. It ends with the program.
    pub(crate) fn start() -> io::Result<Self> {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::Builder::new().name("spawner".to_owned()).spawn(move || {
            for (mut command, runtime, reply) in orders {
                let _entered = runtime.enter();
                let _ = reply.send(command.spawn());
            }
            // The children would be killed if this thread ended before them.
            loop {
                std::thread::park();
            }
        })?;
        Ok(Self(sender))
    }

    async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (reply, child) = oneshot::channel();
        let gone = || io::Error::other("the spawning thread is gone");
        self.0.send((command, Handle::current(), reply)).map_err(|_| gone())?;
        child.await.map_err(|_| gone())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_starts_only_as_a_child_of_its_parent() {
        let start = |parent: Pid| {
            let mut command = std::process::Command::new("true");
            die_with(&mut command, parent);
            command.status().map(|status| status.success()).map_err(|error| error.raw_os_error())
        };
        assert_eq!(start(getpid()), Ok(true));
        assert_eq!(start(getppid()), Err(Some(nix::libc::ESRCH)), "its parent died before it could ask");
    }
}
