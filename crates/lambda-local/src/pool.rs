//! The pool of one function's environments, as a pure core: who gets which request, when an environment is started,
//! replaced or let go, and when a caller is told no. It holds ids only; time is an argument; what is to be done comes
//! back as [`Effect`]s. The shell around it (`function`) owns processes, sockets and clocks.
//!
//! Bounds: at most [`Limits::environments`] environments; at most [`Limits::concurrency`] requests in one and
//! [`Limits::requests`] in all; requests wait only for environments that are starting or may start, and beyond these only
//! [`Limits::waiting`] of them, none longer than [`Limits::wait`] and, of those whom an environment is being started for,
//! than one start more. Everyone else is throttled at once, as AWS does.
//!
//! Promises: a request is delivered at most once, in order of arrival, and ends in exactly one way: answered
//! ([`Pool::answered`] returned `Ok`) or [`Effect::Fail`]. With one request per environment a time-out stops the
//! environment; with several the process lives on, its slot comes back when it polls again, and its late answer is
//! [`Refusal::Stale`]. An environment whose every slot is overdue is replaced, and so is one that runs nothing and has
//! not asked for work for longer than a time-out. One that served and died is replaced at
//! once; one that dies before it ever answered is started again after a delay that doubles up to [`LONGEST_DELAY`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// The delay after the first start that came to nothing.
pub const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The longest delay between two starts.
pub const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// How long a slot whose answer came counts as free before its environment has asked for more: a caller's next request
/// is often here before its environment is. One that takes longer hangs, and takes nothing.
pub const ASKS_WITHIN: Duration = Duration::from_secs(1);

/// One environment, counted from 1 within its function; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentId(pub u32);

/// One request: the number behind its AWS request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u128);

/// One call of an environment for its next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PollId(pub u64);

/// What bounds a pool.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests one environment takes at once.
    pub concurrency: usize,
    /// Requests that all of them together take at once.
    pub requests: usize,
    /// Environments at most. None at all throttles every request.
    pub environments: usize,
    /// Requests that may wait while everything is busy. Zero throttles them at once, as AWS does.
    pub waiting: usize,
    /// How long one may wait.
    pub wait: Duration,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// How long a start may take, until the first that takes longer: then it is [`Limits::longest_start`].
    pub init: Duration,
    /// How long an environment may be idle that is not the only one that is ready.
    pub idle: Duration,
}

impl Limits {
    /// AWS repeats a start that took too long as part of the first invocation, under the function's time-out.
    #[must_use]
    pub fn longest_start(&self) -> Duration {
        self.init.max(self.timeout)
    }

    /// A start with its repetition.
    fn whole_start(&self) -> Duration {
        if self.timeout > self.init { self.init + self.timeout } else { self.init }
    }
}

/// What the shell has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start a process for this environment.
    Start(EnvironmentId),
    /// End its process. The pool has forgotten it already.
    Stop(EnvironmentId),
    /// Answer the poll with the request.
    Deliver {
        /// What to run.
        request: RequestId,
        /// Where.
        environment: EnvironmentId,
        /// The call to answer.
        poll: PollId,
        /// When it is overdue.
        deadline: Instant,
    },
    /// Tell the request's caller that it came to nothing.
    Fail(RequestId, Failure),
}

/// Why a request came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Every environment is busy and nobody may wait, or waited long enough.
    Throttled,
    /// The function took longer than its time-out.
    TimedOut,
    /// The environment's process ended.
    Exited(EnvironmentId),
    /// The environment did not ask for work in time after its start.
    InitTimedOut,
    /// The runtime is stopping.
    Stopping,
}

/// Why an answer was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request timed out before.
    Stale,
    /// This environment has no such request.
    Unknown,
}

/// How an environment stands, for the status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has not asked for work yet.
    Starting,
    /// It has nothing to do.
    Idle,
    /// It is running at least one request.
    Busy,
}

#[derive(Debug)]
struct Environment {
    started: Instant,
    /// How long its start may take.
    init: Duration,
    ready: bool,
    answered_once: bool,
    idle_since: Instant,
    in_flight: Vec<RequestId>,
    overdue: HashSet<RequestId>,
    /// Slots that are about to ask for work, and until when that is believed.
    about_to_ask: VecDeque<Instant>,
}

impl Environment {
    fn running(&self) -> usize {
        self.in_flight.len() + self.overdue.len()
    }

    /// When its start has taken too long.
    fn late_at(&self) -> Option<Instant> {
        (!self.ready).then(|| self.started + self.init)
    }
}

/// A request that is being run.
#[derive(Clone, Copy, Debug)]
struct Flight {
    environment: EnvironmentId,
    deadline: Instant,
}

/// The pool of one function.
#[derive(Debug)]
pub struct Pool {
    limits: Limits,
    /// How long the next start may take.
    init: Duration,
    environments: BTreeMap<EnvironmentId, Environment>,
    /// Calls for work nobody had any for; the newest is used first, so that surplus environments become idle.
    parked: Vec<(EnvironmentId, PollId)>,
    waiting: VecDeque<(Instant, RequestId)>,
    flights: HashMap<RequestId, Flight>,
    /// The deadlines of the flights, in order.
    deadlines: BTreeSet<(Instant, RequestId)>,
    /// Environments that died in service and have not been replaced.
    owed: usize,
    /// Starts in a row that came to nothing.
    failed_starts: u32,
    not_before: Option<Instant>,
    next_environment: u32,
    next_wake: Option<Instant>,
    draining: bool,
}

impl Pool {
    /// An empty pool: the first request starts the first environment.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            init: limits.init,
            environments: BTreeMap::new(),
            parked: vec![],
            waiting: VecDeque::new(),
            flights: HashMap::new(),
            deadlines: BTreeSet::new(),
            owed: 0,
            failed_starts: 0,
            not_before: None,
            next_environment: 1,
            next_wake: None,
            draining: false,
        }
    }

    /// A request arrives.
    pub fn requested(&mut self, request: RequestId, now: Instant, effects: &mut Vec<Effect>) {
        if self.draining {
            return effects.push(Effect::Fail(request, Failure::Stopping));
        }
        if self.limits.environments == 0 || self.waiting.len() >= self.room(now) {
            return effects.push(Effect::Fail(request, Failure::Throttled));
        }
        let expires = now + self.limits.wait;
        self.waiting.push_back((expires, request));
        self.wake_by(expires);
        self.balance(now, effects);
    }

    /// How many may wait: those whom free slots and environments that may start can take, and the waiting room.
    fn room(&self, now: Instant) -> usize {
        let may_start = self.limits.environments.saturating_sub(self.environments.len());
        let to_come = may_start.saturating_mul(self.limits.concurrency);
        self.free_slots(now).saturating_add(to_come).min(self.allowed()).saturating_add(self.limits.waiting)
    }

    /// How many more may run at once, whatever slots there are.
    fn allowed(&self) -> usize {
        self.limits.requests.saturating_sub(self.flights.len())
    }

    /// Slots that will take a request: of environments that are starting, that ask for work, and that have just answered
    /// and are about to ask.
    fn free_slots(&self, now: Instant) -> usize {
        let (mut unused, mut about_to_ask) = (0, 0);
        for environment in self.environments.values().filter(|environment| environment.ready) {
            unused += self.limits.concurrency.saturating_sub(environment.in_flight.len());
            about_to_ask += environment.about_to_ask.iter().rev().take_while(|until| now < **until).count();
        }
        self.starting_slots().saturating_add(unused.min(self.parked.len() + about_to_ask))
    }

    fn starting_slots(&self) -> usize {
        let starting = self.environments.values().filter(|environment| !environment.ready).count();
        starting.saturating_mul(self.limits.concurrency)
    }

    /// A caller gave up. While its request waits it is forgotten; in flight it runs on, as on AWS.
    pub fn abandoned(&mut self, request: RequestId) {
        self.waiting.retain(|(_, waiting)| *waiting != request);
    }

    /// An environment asks for work. `false`: it is not of this pool (any more) or may not ask now.
    pub fn polled(&mut self, id: EnvironmentId, poll: PollId, now: Instant, effects: &mut Vec<Effect>) -> bool {
        let Some(environment) = self.environments.get_mut(&id) else { return false };
        if self.limits.concurrency == 1 && !environment.in_flight.is_empty() {
            return false;
        }
        if !environment.ready {
            environment.ready = true;
            environment.idle_since = now;
            environment.about_to_ask = std::iter::repeat_n(now + ASKS_WITHIN, self.limits.concurrency).collect();
            self.wake_by(now + self.limits.idle);
        }
        if let Some(environment) = self.environments.get_mut(&id) {
            environment.about_to_ask.pop_front();
        }
        self.parked.push((id, poll));
        self.balance(now, effects);
        true
    }

    /// A call for work was given up before it got any.
    pub fn poll_lost(&mut self, poll: PollId) {
        self.parked.retain(|(_, parked)| *parked != poll);
    }

    /// An environment answers a request, well or with an error. `Ok`: hand the answer to the caller.
    ///
    /// # Errors
    /// The answer came too late or to nothing; the caller has another one already.
    pub fn answered(&mut self, id: EnvironmentId, request: RequestId, now: Instant) -> Result<(), Refusal> {
        let Some(environment) = self.environments.get_mut(&id) else { return Err(Refusal::Stale) };
        if environment.overdue.remove(&request) {
            environment.about_to_ask.push_back(now + ASKS_WITHIN);
            environment.idle_since = now;
            return Err(Refusal::Stale);
        }
        let Some(at) = environment.in_flight.iter().position(|running| *running == request) else {
            return Err(Refusal::Unknown);
        };
        environment.in_flight.swap_remove(at);
        environment.answered_once = true;
        environment.idle_since = now;
        environment.about_to_ask.push_back(now + ASKS_WITHIN);
        self.land(request);
        self.failed_starts = 0;
        Ok(())
    }

    /// An environment's process ended by itself (or could not be started).
    pub fn exited(&mut self, id: EnvironmentId, now: Instant, effects: &mut Vec<Effect>) {
        let Some(environment) = self.forget(id, Failure::Exited(id), effects) else { return };
        if !environment.answered_once {
            self.delay_next_start(now);
        }
        if environment.ready {
            self.owed += 1;
        } else {
            self.fail_waiting(Failure::Exited(id), effects);
        }
        self.balance(now, effects);
    }

    /// Time passed: deadlines, waits, starts and idle environments are judged.
    pub fn tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.next_wake = None;
        self.expire_waiting(now, effects);
        self.expire_flights(now, effects);
        self.expire_starts(now, effects);
        for environment in self.environments.values_mut() {
            environment.about_to_ask.retain(|until| now < *until);
        }
        self.replace_silent(now, effects);
        self.let_idle_go(now, effects);
        self.balance(now, effects);
        // Again: whose start has just been given up, and made no second time, waits for nothing any more.
        self.expire_waiting(now, effects);
        self.expire_longest_waiting(now, effects);
        self.plan_wake();
    }

    /// When [`Pool::tick`] is due.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.next_wake
    }

    /// Takes nothing new; what waits is told so, what runs may finish.
    pub fn drain(&mut self, effects: &mut Vec<Effect>) {
        self.draining = true;
        effects.extend(self.waiting.drain(..).map(|(_, request)| Effect::Fail(request, Failure::Stopping)));
    }

    /// Stops every environment; what still runs fails.
    pub fn stop(&mut self, effects: &mut Vec<Effect>) {
        self.drain(effects);
        for id in self.environments.keys().copied().collect::<Vec<_>>() {
            self.forget(id, Failure::Stopping, effects);
            effects.push(Effect::Stop(id));
        }
    }

    /// Requests being run.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Requests an environment is at, those included whose callers have a time-out for an answer.
    #[must_use]
    pub fn running_in(&self, id: EnvironmentId) -> usize {
        self.environments.get(&id).map_or(0, Environment::running)
    }

    /// The same of all environments.
    #[must_use]
    pub fn running(&self) -> usize {
        self.environments.values().map(Environment::running).sum()
    }

    /// Every environment with its state and the requests it runs.
    pub fn environments(&self) -> impl Iterator<Item = (EnvironmentId, State, usize)> + '_ {
        self.environments.iter().map(|(id, environment)| {
            let state = match (environment.ready, environment.running()) {
                (false, _) => State::Starting,
                (true, 0) => State::Idle,
                (true, _) => State::Busy,
            };
            (*id, state, environment.in_flight.len())
        })
    }

    /// Brings requests and calls for work together, and starts environments for the requests that are left.
    fn balance(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while self.allowed() > 0
            && let Some(at) = self.parked.iter().rposition(|(id, _)| self.has_room(*id))
        {
            let Some((_, request)) = self.waiting.pop_front() else { break };
            let (id, poll) = self.parked.remove(at);
            let Some(environment) = self.environments.get_mut(&id) else { continue };
            environment.in_flight.push(request);
            let deadline = now + self.limits.timeout;
            self.flights.insert(request, Flight { environment: id, deadline });
            self.deadlines.insert((deadline, request));
            self.wake_by(deadline);
            effects.push(Effect::Deliver { request, environment: id, poll, deadline });
        }
        self.start_missing(now, effects);
    }

    fn has_room(&self, id: EnvironmentId) -> bool {
        self.environments.get(&id).is_some_and(|environment| environment.in_flight.len() < self.limits.concurrency)
    }

    fn start_missing(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        loop {
            let wanted = self.waiting.len().min(self.allowed()) > self.free_slots(now) || self.owed > 0;
            if !wanted || self.draining || self.environments.len() >= self.limits.environments {
                return;
            }
            if let Some(at) = self.not_before.filter(|at| *at > now) {
                return self.wake_by(at);
            }
            self.owed = self.owed.saturating_sub(1);
            let id = EnvironmentId(self.next_environment);
            self.next_environment += 1;
            self.environments.insert(
                id,
                Environment {
                    started: now,
                    init: self.init,
                    ready: false,
                    answered_once: false,
                    idle_since: now,
                    in_flight: vec![],
                    overdue: HashSet::new(),
                    about_to_ask: VecDeque::new(),
                },
            );
            self.wake_by(now + self.init);
            effects.push(Effect::Start(id));
        }
    }

    fn delay_next_start(&mut self, now: Instant) {
        let doubled = FIRST_DELAY.saturating_mul(1 << self.failed_starts.min(16));
        self.failed_starts += 1;
        self.not_before = Some(now + doubled.min(LONGEST_DELAY));
    }

    /// Drops an environment and fails what ran in it.
    fn forget(&mut self, id: EnvironmentId, failure: Failure, effects: &mut Vec<Effect>) -> Option<Environment> {
        let environment = self.environments.remove(&id)?;
        self.parked.retain(|(parked, _)| *parked != id);
        for request in &environment.in_flight {
            self.land(*request);
            effects.push(Effect::Fail(*request, failure));
        }
        Some(environment)
    }

    fn land(&mut self, request: RequestId) -> Option<Flight> {
        let flight = self.flights.remove(&request)?;
        self.deadlines.remove(&(flight.deadline, request));
        Some(flight)
    }

    /// A start came to nothing: the requests it was made for hear of it, so that nobody waits for a function that
    /// cannot start.
    fn fail_waiting(&mut self, failure: Failure, effects: &mut Vec<Effect>) {
        let affected = self.waiting.len().min(self.limits.concurrency);
        effects.extend(self.waiting.drain(..affected).map(|(_, request)| Effect::Fail(request, failure)));
    }

    /// The first to wait are those whom the environments that are starting will take: a cold start is no throttle.
    fn expire_waiting(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let starting = self.starting_slots();
        while let Some((_, request)) = self.waiting.get(starting).copied().filter(|(expires, _)| *expires <= now) {
            self.waiting.remove(starting);
            effects.push(Effect::Fail(request, Failure::Throttled));
        }
    }

    /// An environment that takes fewer requests than it has slots leaves the rest to the next one to be started. Nobody
    /// waits for more than one start.
    fn expire_longest_waiting(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some((_, request)) = self.waiting.front().copied().filter(|waits| self.waits_until(waits) <= now) {
            self.waiting.pop_front();
            effects.push(Effect::Fail(request, Failure::Throttled));
        }
    }

    fn waits_until(&self, (expires, _): &(Instant, RequestId)) -> Instant {
        *expires + self.limits.whole_start()
    }

    fn expire_flights(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some((_, request)) = self.deadlines.first().copied().filter(|(deadline, _)| *deadline <= now) {
            self.time_out(request, now, effects);
        }
    }

    fn time_out(&mut self, request: RequestId, now: Instant, effects: &mut Vec<Effect>) {
        let Some(Flight { environment: id, .. }) = self.land(request) else { return };
        effects.push(Effect::Fail(request, Failure::TimedOut));
        let Some(environment) = self.environments.get_mut(&id) else { return };
        environment.in_flight.retain(|running| *running != request);
        environment.overdue.insert(request);
        environment.idle_since = now;
        let wedged = environment.in_flight.is_empty() && environment.overdue.len() >= self.limits.concurrency;
        if wedged {
            self.forget(id, Failure::TimedOut, effects);
            self.owed += 1;
            effects.push(Effect::Stop(id));
        }
    }

    fn expire_starts(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let late = |environment: &Environment| environment.late_at().is_some_and(|at| at <= now);
        let late: Vec<_> = self.environments.iter().filter(|(_, env)| late(env)).map(|(id, _)| *id).collect();
        for id in late {
            let Some(environment) = self.forget(id, Failure::InitTimedOut, effects) else { continue };
            effects.push(Effect::Stop(id));
            self.init = self.limits.longest_start();
            // Whom it was started for waits for the one that may take longer.
            if environment.init >= self.init {
                self.delay_next_start(now);
                self.fail_waiting(Failure::InitTimedOut, effects);
            }
        }
    }

    /// An environment that runs nothing and does not ask for work either hangs, or has fewer hands than slots and all of
    /// them overdue. On AWS the time-out ends it, since the invocation is not over before the next one is asked for.
    fn replace_silent(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let is_silent = |id: &EnvironmentId| self.silent_until(*id).is_some_and(|until| until <= now);
        let silent: Vec<_> = self.environments.keys().copied().filter(is_silent).collect();
        for id in silent {
            self.forget(id, Failure::TimedOut, effects);
            self.owed += 1;
            effects.push(Effect::Stop(id));
        }
    }

    /// When an environment that runs nothing and has not asked for work is given up.
    fn silent_until(&self, id: EnvironmentId) -> Option<Instant> {
        let environment = self.environments.get(&id).filter(|environment| environment.ready)?;
        let is_silent = environment.in_flight.is_empty() && !self.parked.iter().any(|(parked, _)| *parked == id);
        is_silent.then(|| environment.idle_since + self.limits.timeout + ASKS_WITHIN)
    }

    /// When an environment has been idle for long enough, unless it is the only one that is ready.
    fn idle_until(&self, environment: &Environment) -> Option<Instant> {
        let is_idle = environment.ready && environment.in_flight.is_empty() && environment.overdue.is_empty();
        is_idle.then(|| environment.idle_since + self.limits.idle)
    }

    fn let_idle_go(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let long_idle = |environment: &Environment| self.idle_until(environment).is_some_and(|until| until <= now);
        let idle: Vec<_> = self.environments.iter().filter(|(_, env)| long_idle(env)).map(|(id, _)| *id).collect();
        let surplus = idle.len().min(self.ready().saturating_sub(1));
        for id in &idle[..surplus] {
            self.forget(*id, Failure::Stopping, effects);
            effects.push(Effect::Stop(*id));
        }
    }

    fn ready(&self) -> usize {
        self.environments.values().filter(|environment| environment.ready).count()
    }

    fn wake_by(&mut self, at: Instant) {
        if self.next_wake.is_none_or(|wake| at < wake) {
            self.next_wake = Some(at);
        }
    }

    fn plan_wake(&mut self) {
        // Whom an environment is being started for waits as long as that takes.
        let waiting = self.waiting.get(self.starting_slots()).map(|(expires, _)| *expires);
        let longest = self.waiting.front().map(|waits| self.waits_until(waits));
        let flight = self.deadlines.first().map(|(deadline, _)| *deadline);
        let several = self.ready() > 1;
        let due = self.environments.values().filter_map(|environment| {
            environment.late_at().or_else(|| self.idle_until(environment).filter(|_| several))
        });
        let asking = self.environments.values().flat_map(|environment| environment.about_to_ask.front()).copied();
        let asking = if self.waiting.is_empty() { None } else { asking.min() };
        let silent = self.environments.keys().filter_map(|id| self.silent_until(*id)).min();
        for at in [waiting, longest, flight, due.min(), asking, silent].into_iter().flatten() {
            self.wake_by(at);
        }
    }
}
