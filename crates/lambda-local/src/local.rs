//! The whole local Lambda: functions, their URLs and event sources behind one listener.
//!
//! [`Options`] go in, [`Local::start`] brings everything up, [`Local::stop`] lets it finish: functions and event sources
//! take nothing new, invocations in flight are waited for, what is done is committed, then the environments end. One that is
//! dropped instead ends all of it at once.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::environment::Spawner;
use crate::event_source::{EventSource, Invoker, KafkaOptions, StartError};
use crate::function::{Function, Settings};
use crate::function_log::FunctionLog;
use crate::http_server::{self, CloseHandle, Patience, Room};
use crate::invoke_api::AsyncQueue;
use crate::pool::Limits;
use crate::program::{self, Folders, NoProgram};
use crate::template::{FunctionSpec, Template, called};
use crate::waiting;

mod router;

/// What a local Lambda is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The functions.
    pub template: Template,
    /// Where their programs are built: `<binaries>/<name>`.
    pub binaries: PathBuf,
    /// What a `CodeUri` of the template is relative to: the folder the template is in.
    pub template_folder: PathBuf,
    /// Where logs go; standard output without it.
    pub log_dir: Option<PathBuf>,
    /// `AWS_REGION` of the functions.
    pub region: String,
    /// Most environments of a function whose template sets no limit.
    pub max_environments: usize,
    /// Requests that may wait while a function is at its limit; zero gives AWS's immediate 429.
    pub max_waiting: usize,
    /// How long they may wait.
    pub max_wait: Duration,
    /// Bytes of requests' bodies that are held at a time, waiting or being run; more get 429.
    pub max_body_bytes: usize,
    /// How long an environment that is not the last one may be idle.
    pub idle: Duration,
    /// How the brokers of the event sources are spoken to; none leaves event sources alone.
    pub kafka: Option<KafkaOptions>,
    /// Retries wait milliseconds instead of seconds: for tests.
    pub fast_retry: bool,
}

/// Why a local Lambda cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Functions have no program that this machine can run: all of them, with the places that were looked at.
    #[error("functions without a program:{}\nbuild them, or name their folder with --binaries", lines(.0))]
    NoPrograms(Vec<NoProgram>),
    /// A log cannot be written.
    #[error("the log of {name} cannot be opened in {}: {source}", .folder.display())]
    Log {
        /// The function.
        name: String,
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The thread that spawns processes cannot be had.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// An event source is wrongly configured.
    #[error(transparent)]
    EventSource(#[from] StartError),
}

fn lines(functions: &[NoProgram]) -> String {
    functions.iter().map(|function| format!("\n  {function}")).collect()
}

/// A local Lambda at work.
#[derive(Debug)]
pub struct Local {
    address: SocketAddr,
    running: Running,
    server: CloseHandle,
}

/// What runs for as long as this is kept, whoever else may still look at it.
#[derive(Debug)]
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.event_sources.iter().for_each(EventSource::give_up);
        // That the processes have ended is not waited for here, where there may be no runtime any more to wait in.
        self.0.functions.iter().for_each(Function::end);
    }
}

/// What every request may need.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) functions: Vec<Arc<Function>>,
    /// Every name a function answers to.
    pub(crate) names: BTreeMap<String, Arc<Function>>,
    pub(crate) event_sources: Vec<EventSource>,
    pub(crate) not_supported: Vec<String>,
    pub(crate) asynchronous: AsyncQueue,
    pub(crate) room: Room,
}

impl Local {
    /// Starts everything on a listener that is bound already. Environments start with the first request.
    ///
    /// # Errors
    /// Programs are missing or made for other machines, a log cannot be written, or an event source is wrongly configured.
    pub fn start(options: &Options, listener: TcpListener) -> Result<Self, LocalError> {
        let address = listener.local_addr().map_err(LocalError::Thread)?;
        let programs = programs(options)?;
        let spawner = Spawner::start().map_err(LocalError::Thread)?;
        let functions: Vec<Arc<Function>> = options
            .template
            .functions
            .iter()
            .zip(programs)
            .map(|(spec, program)| function(spec, program, options, &spawner))
            .collect::<Result<_, _>>()?;
        let event_sources = event_sources(&functions, options)?;
        let shared = Arc::new(Shared {
            names: functions.iter().flat_map(names_of).collect(),
            asynchronous: AsyncQueue::new(&functions, options.fast_retry),
            room: Room::new(options.max_body_bytes),
            functions,
            event_sources,
            not_supported: options.template.not_supported.clone(),
        });
        let (server, closing) = http_server::closing();
        let routes = Arc::clone(&shared);
        tokio::spawn(http_server::serve(listener, closing, Patience::CLIENTS, move |ends, request| {
            router::route(Arc::clone(&routes), ends, request)
        }));
        Ok(Self { address, running: Running(shared), server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A function by any of its names, an ARN or a qualifier with it.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Arc<Function>> {
        self.running.0.names.get(called(name)?)
    }

    /// Takes nothing new, lets everything finish for no longer than `patience`, and ends every environment. It says what
    /// it is waiting for.
    pub async fn stop(self, patience: Duration) {
        let Shared { event_sources, functions, asynchronous, .. } = &*self.running.0;
        let polled = futures::future::join_all(event_sources.iter().map(|source| source.stop(patience)));
        let drained = futures::future::join_all(functions.iter().map(|function| function.drain(patience)));
        let running = || functions.iter().filter_map(|function| function.running()).collect();
        waiting::tell(futures::future::join(polled, drained), patience, running).await;
        futures::future::join_all(functions.iter().map(Function::stop)).await;
        asynchronous.tell_lost();
        self.server.close(Duration::from_secs(1)).await;
    }
}

fn names_of(function: &Arc<Function>) -> Vec<(String, Arc<Function>)> {
    function.spec().names().map(|name| (name.to_owned(), Arc::clone(function))).collect()
}

/// The program of every function, in their order; all that is wrong with any of them is told at once.
fn programs(options: &Options) -> Result<Vec<PathBuf>, LocalError> {
    let folders = Folders { binaries: &options.binaries, template: &options.template_folder };
    let found = options.template.functions.iter().map(|spec| program::find(spec, folders));
    let (programs, missing): (Vec<_>, Vec<_>) = found.partition(Result::is_ok);
    match missing.into_iter().filter_map(Result::err).collect::<Vec<_>>() {
        missing if missing.is_empty() => Ok(programs.into_iter().flatten().collect()),
        missing => Err(LocalError::NoPrograms(missing)),
    }
}

fn function(
    spec: &FunctionSpec,
    program: PathBuf,
    options: &Options,
    spawner: &Spawner,
) -> Result<Arc<Function>, LocalError> {
    let log = FunctionLog::open(options.log_dir.as_deref(), &spec.name).map_err(|source| LocalError::Log {
        name: spec.name.clone(),
        folder: options.log_dir.clone().unwrap_or_default(),
        source,
    })?;
    let settings = Settings { program, region: options.region.clone(), limits: limits(spec, options) };
    Ok(Function::new(spec.clone(), settings, log, spawner.clone()))
}

/// How long a start may take on Lambda.
const INIT: Duration = Duration::from_secs(10);
/// The same with Managed Instances, unless the function's own time-out is longer.
const INIT_OF_MANAGED_INSTANCES: Duration = Duration::from_secs(130);

/// The template's limits first; without any, one environment for a function that takes many requests at once (so that
/// it can be watched and measured as one process), and `--max-environments` for one that takes them one by one.
fn limits(spec: &FunctionSpec, options: &Options) -> Limits {
    let unlimited = if spec.managed_instances { 1 } else { options.max_environments };
    let reserved = spec.reserved_concurrency.map(|requests| requests.div_ceil(spec.environment_concurrency));
    Limits {
        concurrency: spec.environment_concurrency,
        requests: spec.reserved_concurrency.unwrap_or(usize::MAX),
        environments: reserved.or(spec.max_environments).unwrap_or(unlimited),
        waiting: options.max_waiting,
        wait: options.max_wait,
        timeout: spec.timeout,
        init: if spec.managed_instances { INIT_OF_MANAGED_INSTANCES.max(spec.timeout) } else { INIT },
        idle: options.idle,
    }
}

fn event_sources(functions: &[Arc<Function>], options: &Options) -> Result<Vec<EventSource>, StartError> {
    let Some(kafka) = &options.kafka else { return Ok(vec![]) };
    let enabled = functions.iter().flat_map(|function| {
        let sources = function.spec().kafka.iter().filter(|source| source.enabled);
        sources.map(|source| (function.name(), source, Invoker::function(Arc::clone(function))))
    });
    EventSource::start_all(enabled, kafka)
}
