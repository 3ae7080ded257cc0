//! A function at run time: the pool's shell. It keeps what the pool only knows by id (events, callers, processes), does
//! what the pool decides, and tells the pool what happened.
//!
//! One short lock guards pool and books together and is never held across an await; sending to callers and environments
//! under it does not block, nor does a line of the log, which must come before what the function prints. Bounds are the
//! pool's ([`crate::pool`]).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use tokio::sync::{Notify, oneshot, watch};

use crate::clock;
use crate::environment::{self, Ending, Spawner};
use crate::function_log::FunctionLog;
use crate::invocation::{Answer, Invocation, PAYLOAD_LIMIT, Refused, request_id_text};
use crate::pool::{
    Effect, EnvironmentId, Failure, Limits, PollId, Pool, Refusal, RequestId, State as EnvironmentState,
};
use crate::report;
use crate::template::FunctionSpec;

mod settle;

/// What a function runs with, beside its description.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program to run, its path absolute.
    pub program: PathBuf,
    /// `AWS_REGION`.
    pub region: String,
    /// What bounds its pool.
    pub limits: Limits,
}

/// A function that can be invoked.
#[derive(Debug)]
pub struct Function {
    pub(crate) spec: FunctionSpec,
    pub(crate) settings: Settings,
    pub(crate) log: Arc<FunctionLog>,
    pub(crate) arn: HeaderValue,
    books: Mutex<Books>,
    spawner: Spawner,
    /// The pool wants to be woken earlier than planned, or is no more.
    replan: Arc<Notify>,
    /// Nothing is in flight.
    idle: Notify,
    /// Each environment's task holds a receiver.
    environments: watch::Sender<()>,
}

#[derive(Debug)]
struct Books {
    pool: Pool,
    calls: HashMap<RequestId, Call>,
    polls: HashMap<PollId, oneshot::Sender<Work>>,
    processes: HashMap<EnvironmentId, Process>,
    next_poll: u64,
    /// Counts what was delivered.
    deliveries: u64,
    /// When the timer will wake.
    planned: Option<Instant>,
}

/// A caller and what it wants.
#[derive(Debug)]
struct Call {
    invocation: Invocation,
    reply: oneshot::Sender<Result<Answer, Refused>>,
    delivered: Option<Delivered>,
}

#[derive(Debug)]
struct Delivered {
    at: Instant,
    init: Option<Duration>,
    environment: EnvironmentId,
    /// Where its part of the log begins, when it is asked for.
    log: Option<LogPart>,
}

/// Of a log that several requests write to, only what names a request is surely its own.
#[derive(Clone, Copy, Debug)]
struct LogPart {
    since: u64,
    /// Which delivery it was.
    delivery: u64,
    /// Whether others wrote to it already.
    is_shared: bool,
}

/// What an environment gets to do.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) request: RequestId,
    pub(crate) deadline_ms: u64,
    pub(crate) payload: Bytes,
    pub(crate) trace_id: Option<HeaderValue>,
    pub(crate) client_context: Option<HeaderValue>,
}

#[derive(Debug)]
struct Process {
    started: Instant,
    pid: Option<u32>,
    /// Dropped to end the process.
    _stop: oneshot::Sender<()>,
    /// What the function reported about its start.
    init_error: Option<Bytes>,
    /// How long the start took, until the first REPORT line has told it.
    init: Option<Duration>,
    /// What was delivered to it last.
    last_delivery: u64,
}

/// An environment as the status page shows it.
#[derive(Clone, Debug)]
pub(crate) struct EnvironmentStatus {
    pub(crate) id: EnvironmentId,
    pub(crate) pid: Option<u32>,
    pub(crate) state: EnvironmentState,
    pub(crate) in_flight: usize,
}

impl Function {
    /// A function without any environment yet; the first invocation starts one.
    pub(crate) fn new(spec: FunctionSpec, settings: Settings, log: FunctionLog, spawner: Spawner) -> Arc<Self> {
        let arn = crate::template::function_arn(&settings.region, &spec.name);
        let function = Arc::new(Self {
            arn: HeaderValue::try_from(arn).unwrap_or_else(|_| HeaderValue::from_static("function")),
            books: Mutex::new(Books {
                pool: Pool::new(settings.limits),
                calls: HashMap::new(),
                polls: HashMap::new(),
                processes: HashMap::new(),
                next_poll: 0,
                deliveries: 0,
                planned: None,
            }),
            spec,
            settings,
            log: Arc::new(log),
            spawner,
            replan: Arc::default(),
            idle: Notify::new(),
            environments: watch::Sender::new(()),
        });
        tokio::spawn(keep_time(Arc::downgrade(&function), Arc::clone(&function.replan)));
        function
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its description.
    #[must_use]
    pub fn spec(&self) -> &FunctionSpec {
        &self.spec
    }

    /// The folder of its package: the one its program is in.
    pub(crate) fn task_root(&self) -> &Path {
        // A program is a file, so it is in a folder.
        self.settings.program.parent().unwrap_or(Path::new("/"))
    }

    /// Whether it is reserved to nothing: every request is throttled, for ever.
    pub(crate) fn takes_nothing(&self) -> bool {
        self.settings.limits.environments == 0
    }

    /// A request id of its own for an invocation to come.
    #[must_use]
    pub fn new_request_id() -> RequestId {
        RequestId(uuid::Uuid::new_v4().as_u128())
    }

    /// Invokes the function and waits for what it answers.
    ///
    /// # Errors
    /// The invocation did not reach the function.
    pub async fn invoke(self: &Arc<Self>, request: RequestId, invocation: Invocation) -> Result<Answer, Refused> {
        let (reply, answer) = oneshot::channel();
        let caller = Caller { function: self, request };
        self.change(|books, effects| {
            books.calls.insert(request, Call { invocation, reply, delivered: None });
            books.pool.requested(request, Instant::now(), effects);
        });
        let outcome = answer.await.unwrap_or(Err(Refused::Stopping));
        std::mem::forget(caller);
        outcome
    }

    /// An environment asks for work. `None`: it may not.
    pub(crate) fn poll(self: &Arc<Self>, id: EnvironmentId) -> Option<(PollId, oneshot::Receiver<Work>)> {
        let (sender, receiver) = oneshot::channel();
        self.change(|books, effects| {
            books.next_poll += 1;
            let poll = PollId(books.next_poll);
            books.polls.insert(poll, sender);
            if let Some(process) = books.processes.get_mut(&id).filter(|process| process.init.is_none()) {
                process.init = Some(process.started.elapsed());
            }
            if books.pool.polled(id, poll, Instant::now(), effects) {
                return Some((poll, receiver));
            }
            books.polls.remove(&poll);
            None
        })
    }

    /// A call for work was given up.
    pub(crate) fn poll_lost(&self, poll: PollId) {
        let mut books = self.books();
        books.polls.remove(&poll);
        books.pool.poll_lost(poll);
    }

    /// An environment answered.
    pub(crate) fn answered(&self, id: EnvironmentId, request: RequestId, answer: Answer) -> Result<(), Refusal> {
        let mut books = self.books();
        books.pool.answered(id, request, Instant::now())?;
        let call = books.calls.remove(&request).map(|call| self.over(&books, request, call));
        let now_idle = books.pool.in_flight() == 0;
        drop(books);
        if let Some(over) = call {
            let status = if answer.error.is_some() { "error" } else { "" };
            self.settle(over, Ok(answer), status);
        }
        if now_idle {
            self.idle.notify_waiters();
        }
        Ok(())
    }

    /// Most bytes of a streamed answer to a request, as its caller takes them.
    pub(crate) fn stream_limit(&self, request: RequestId) -> usize {
        let books = self.books();
        books.calls.get(&request).map_or(PAYLOAD_LIMIT, |call| call.invocation.stream_limit)
    }

    /// The process of an environment runs.
    pub(crate) fn spawned(&self, id: EnvironmentId, pid: Option<u32>) {
        if let Some(process) = self.books().processes.get_mut(&id) {
            process.pid = pid;
        }
    }

    /// The function reported that it cannot start.
    pub(crate) fn init_failed(&self, id: EnvironmentId, error: Bytes) {
        if let Some(process) = self.books().processes.get_mut(&id) {
            process.init_error = Some(error);
        }
    }

    /// The process of an environment ended.
    pub(crate) fn exited(self: &Arc<Self>, id: EnvironmentId, ending: &Ending) {
        self.change_with(Some(ending), |books, effects| books.pool.exited(id, Instant::now(), effects));
        self.books().processes.remove(&id);
    }

    /// What it is at, in words.
    pub(crate) fn running(&self) -> Option<String> {
        let in_flight = self.books().pool.in_flight();
        (in_flight > 0).then(|| format!("{in_flight} of {}", self.name()))
    }

    /// Takes nothing new and waits, no longer than `patience`, for what runs.
    pub(crate) async fn drain(self: &Arc<Self>, patience: Duration) {
        self.change(|books, effects| books.pool.drain(effects));
        let nothing_in_flight = async {
            loop {
                // Registered before looking, so that the last answer cannot slip between.
                let idle = self.idle.notified();
                if self.books().pool.in_flight() == 0 {
                    return;
                }
                idle.await;
            }
        };
        if tokio::time::timeout(patience, nothing_in_flight).await.is_err() {
            tracing::warn!(function = self.name(), "invocations still running are given up");
        }
    }

    /// Ends every environment, for which it is not waited. Needs no runtime.
    pub(crate) fn end(self: &Arc<Self>) {
        self.change(|books, effects| books.pool.stop(effects));
    }

    /// Ends every environment and waits until its process is gone.
    pub(crate) async fn stop(self: &Arc<Self>) {
        self.end();
        self.environments.closed().await;
        self.log.flush().await;
    }

    pub(crate) fn status(&self) -> Vec<EnvironmentStatus> {
        let books = self.books();
        let all = books.pool.environments().map(|(id, state, in_flight)| {
            let pid = books.processes.get(&id).and_then(|process| process.pid);
            EnvironmentStatus { id, pid, state, in_flight }
        });
        all.collect()
    }

    /// When the pool is to be woken.
    fn plan(&self) -> Option<Instant> {
        let mut books = self.books();
        books.planned = books.pool.next_wake();
        books.planned
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut Books, &mut Vec<Effect>) -> T) -> T {
        self.change_with(None, change)
    }

    /// Lets something happen to the pool and does what it decides.
    fn change_with<T>(
        self: &Arc<Self>,
        ending: Option<&Ending>,
        change: impl FnOnce(&mut Books, &mut Vec<Effect>) -> T,
    ) -> T {
        let mut effects = vec![];
        let mut books = self.books();
        let value = change(&mut books, &mut effects);
        for effect in effects {
            self.apply(&mut books, effect, ending);
        }
        let wake = books.pool.next_wake();
        let sooner = wake.is_some_and(|wake| books.planned.is_none_or(|planned| wake < planned));
        drop(books);
        if sooner {
            self.replan.notify_one();
        }
        value
    }

    fn apply(self: &Arc<Self>, books: &mut Books, effect: Effect, ending: Option<&Ending>) {
        match effect {
            Effect::Start(id) => self.start(books, id),
            Effect::Stop(id) => drop(books.processes.remove(&id)),
            Effect::Deliver { request, environment, poll, deadline } => {
                self.deliver(books, request, environment, poll, deadline);
            }
            Effect::Fail(request, failure) => {
                let Some(call) = books.calls.remove(&request) else { return };
                let init_error = match failure {
                    Failure::Exited(id) => books.processes.get(&id).and_then(|process| process.init_error.clone()),
                    _ => None,
                };
                let outcome = self.failure(request, failure, init_error, ending);
                let status = if failure == Failure::TimedOut { "timeout" } else { "error" };
                self.settle(self.over(books, request, call), outcome, status);
                if books.pool.in_flight() == 0 {
                    self.idle.notify_waiters();
                }
            }
        }
    }

    fn start(self: &Arc<Self>, books: &mut Books, id: EnvironmentId) {
        let (stop, stopped) = oneshot::channel();
        let started = Instant::now();
        let process = Process { started, pid: None, _stop: stop, init_error: None, init: None, last_delivery: 0 };
        books.processes.insert(id, process);
        self.log.opened(id);
        let alive = self.environments.subscribe();
        let (function, spawner) = (Arc::clone(self), self.spawner.clone());
        tokio::spawn(async move {
            let ending = environment::run(&function, id, &spawner, stopped).await;
            function.exited(id, &ending);
            // After the ends of the requests that it ended with.
            settle::turns().await;
            tokio::task::yield_now().await;
            function.log.closed(id);
            drop(alive);
        });
    }

    fn deliver(&self, books: &mut Books, request: RequestId, id: EnvironmentId, poll: PollId, deadline: Instant) {
        let (Some(call), Some(sender)) = (books.calls.get_mut(&request), books.polls.remove(&poll)) else { return };
        books.deliveries += 1;
        let delivery = books.deliveries;
        let process = books.processes.get_mut(&id);
        let init = process.and_then(|process| {
            process.last_delivery = delivery;
            let told = process.init.filter(|init| !init.is_zero())?;
            process.init = Some(Duration::ZERO);
            Some(told)
        });
        let log = call.invocation.wants_log.then(|| {
            let writers = if self.log.is_by_environment() { books.pool.running_in(id) } else { books.pool.running() };
            LogPart { since: self.log.position(id), delivery, is_shared: writers > 1 }
        });
        self.log.write(id, &report::start(&request_id_text(request)));
        call.delivered = Some(Delivered { at: Instant::now(), init, environment: id, log });
        let work = Work {
            request,
            deadline_ms: clock::epoch_ms_at(deadline),
            payload: call.invocation.payload.clone(),
            trace_id: call.invocation.trace_id.clone(),
            client_context: call.invocation.client_context.clone(),
        };
        if sender.send(work).is_err() {
            tracing::warn!(function = self.name(), "an environment went away while it was given work");
        }
    }
}

/// Forgets a request whose caller goes away before the answer: it is dropped only then.
struct Caller<'a> {
    function: &'a Arc<Function>,
    request: RequestId,
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        let mut books = self.function.books();
        books.pool.abandoned(self.request);
        if books.calls.get(&self.request).is_some_and(|call| call.delivered.is_none()) {
            books.calls.remove(&self.request);
        }
    }
}

/// Lets its timer end with it.
impl Drop for Function {
    fn drop(&mut self) {
        self.replan.notify_one();
    }
}

/// Wakes the pool when it is due, for as long as the function lives. While nothing is due nothing wakes.
async fn keep_time(function: std::sync::Weak<Function>, replan: Arc<Notify>) {
    // The function is not kept while this waits, or it would never be dropped.
    while let Some(wake) = function.upgrade().map(|function| function.plan()) {
        let due = async {
            match wake {
                Some(wake) => tokio::time::sleep_until(wake.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {
                if let Some(function) = function.upgrade() {
                    function.change(|books, effects| books.pool.tick(Instant::now(), effects));
                }
            }
            () = replan.notified() => {}
        }
    }
}
