use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn limits(concurrency: usize, environments: usize, waiting: usize) -> Limits {
    Limits {
        concurrency,
        requests: usize::MAX,
        environments,
        waiting,
        wait: SECOND * 30,
        timeout: SECOND * 3,
        init: SECOND * 10,
        idle: SECOND * 600,
    }
}

/// A pool with a clock of its own and requests and polls numbered as they come.
struct Bench {
    pool: Pool,
    now: Instant,
    polls: u64,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        Self { pool: Pool::new(limits), now: Instant::now(), polls: 0 }
    }

    fn request(&mut self, number: u128) -> Vec<Effect> {
        let mut effects = vec![];
        self.pool.requested(RequestId(number), self.now, &mut effects);
        effects
    }

    fn poll(&mut self, environment: u32) -> Vec<Effect> {
        let mut effects = vec![];
        self.polls += 1;
        assert!(self.pool.polled(EnvironmentId(environment), PollId(self.polls), self.now, &mut effects));
        effects
    }

    fn exit(&mut self, environment: u32) -> Vec<Effect> {
        let mut effects = vec![];
        self.pool.exited(EnvironmentId(environment), self.now, &mut effects);
        effects
    }

    fn after(&mut self, passed: Duration) -> Vec<Effect> {
        let mut effects = vec![];
        self.now += passed;
        self.pool.tick(self.now, &mut effects);
        let next = self.pool.next_wake();
        assert!(next.is_none_or(|wake| wake > self.now), "woken, it wants to be woken at once again: {:?}", self.pool);
        effects
    }

    fn answer(&mut self, environment: u32, number: u128) -> Result<(), Refusal> {
        self.pool.answered(EnvironmentId(environment), RequestId(number), self.now)
    }
}

fn start(environment: u32) -> Effect {
    Effect::Start(EnvironmentId(environment))
}

fn stop(environment: u32) -> Effect {
    Effect::Stop(EnvironmentId(environment))
}

fn fail(number: u128, failure: Failure) -> Effect {
    Effect::Fail(RequestId(number), failure)
}

fn delivered(effects: &[Effect]) -> Vec<(u128, u32)> {
    let pairs = effects.iter().filter_map(|effect| match effect {
        Effect::Deliver { request, environment, .. } => Some((request.0, environment.0)),
        _ => None,
    });
    pairs.collect()
}

#[test]
fn the_first_request_starts_an_environment_and_waits_for_it() {
    let mut bench = Bench::new(limits(1, 2, 0));
    assert_eq!(bench.request(1), [start(1)]);
    assert_eq!(delivered(&bench.poll(1)), [(1, 1)]);
    assert_eq!(bench.answer(1, 1), Ok(()));
}

#[test]
fn without_a_waiting_room_a_request_beyond_the_limit_is_throttled_at_once() {
    let mut bench = Bench::new(limits(1, 1, 0));
    bench.request(1);
    assert_eq!(bench.request(2), [fail(2, Failure::Throttled)]);
    bench.poll(1);
    assert_eq!(bench.request(3), [fail(3, Failure::Throttled)]);
}

#[test]
fn a_request_that_comes_before_its_environment_asks_again_neither_starts_another_nor_is_throttled() {
    let mut bench = Bench::new(limits(1, 2, 0));
    bench.request(1);
    bench.poll(1);
    assert_eq!(bench.answer(1, 1), Ok(()));
    assert_eq!(bench.request(2), []);
    assert_eq!(delivered(&bench.poll(1)), [(2, 1)]);
}

#[test]
fn reserved_concurrency_of_zero_throttles_everything() {
    let mut bench = Bench::new(limits(1, 0, 10));
    assert_eq!(bench.request(1), [fail(1, Failure::Throttled)]);
}

#[test]
fn the_waiting_room_keeps_order_and_gives_up_after_its_time() {
    let mut bench = Bench::new(limits(1, 1, 2));
    bench.request(1);
    bench.poll(1);
    assert_eq!(bench.request(2), []);
    assert_eq!(bench.request(3), []);
    assert_eq!(bench.request(4), [fail(4, Failure::Throttled)]);
    assert_eq!(bench.answer(1, 1), Ok(()));
    assert_eq!(delivered(&bench.poll(1)), [(2, 1)]);
    bench.after(SECOND);
    assert_eq!(bench.answer(1, 2), Ok(()));
    let effects = bench.after(SECOND * 30);
    assert_eq!(
        effects,
        [fail(3, Failure::Throttled), stop(1), start(2)],
        "an environment that asked no more is replaced"
    );
}

#[test]
fn one_environment_takes_as_many_requests_as_it_polls_for() {
    let mut bench = Bench::new(limits(2, 1, 10));
    bench.request(1);
    assert_eq!(delivered(&bench.poll(1)), [(1, 1)]);
    assert_eq!(delivered(&bench.request(2)), []);
    assert_eq!(delivered(&bench.poll(1)), [(2, 1)]);
    bench.request(3);
    bench.poll(1);
    assert_eq!(bench.pool.in_flight(), 2, "a third poll of a full environment gets nothing");
}

#[test]
fn a_limit_on_all_requests_holds_whatever_slots_are_free() {
    let mut bench = Bench::new(Limits { requests: 3, ..limits(2, 2, 1) });
    for number in 1..=4 {
        assert!(!bench.request(number).contains(&fail(number, Failure::Throttled)));
    }
    assert_eq!(bench.request(5), [fail(5, Failure::Throttled)], "three may run, and one may wait");
    for environment in [1, 1, 2, 2] {
        bench.poll(environment);
    }
    assert_eq!(bench.pool.in_flight(), 3);
    assert_eq!(bench.answer(1, 1), Ok(()));
    assert_eq!(delivered(&bench.poll(1)), [(4, 1)]);
}

#[test]
fn a_time_out_of_a_single_request_replaces_the_environment() {
    let mut bench = Bench::new(limits(1, 1, 0));
    bench.request(1);
    bench.poll(1);
    assert_eq!(bench.after(SECOND * 3), [fail(1, Failure::TimedOut), stop(1), start(2)]);
    assert_eq!(bench.answer(1, 1), Err(Refusal::Stale));
}

#[test]
fn a_time_out_among_several_leaves_the_process_and_refuses_the_late_answer() {
    let mut bench = Bench::new(limits(2, 1, 0));
    bench.request(1);
    bench.poll(1);
    assert_eq!(bench.after(SECOND * 3), [fail(1, Failure::TimedOut)]);
    assert_eq!(bench.answer(1, 1), Err(Refusal::Stale));
    assert_eq!(bench.answer(1, 1), Err(Refusal::Unknown));
    bench.poll(1);
    assert_eq!(delivered(&bench.request(2)), [(2, 1)]);
}

#[test]
fn an_environment_whose_every_slot_is_overdue_is_replaced() {
    let mut bench = Bench::new(limits(2, 1, 0));
    bench.request(1);
    bench.request(2);
    bench.poll(1);
    bench.poll(1);
    let effects = bench.after(SECOND * 3);
    assert_eq!(effects, [fail(1, Failure::TimedOut), fail(2, Failure::TimedOut), stop(1), start(2)]);
}

#[test]
fn a_process_that_dies_fails_what_it_ran_and_is_replaced_at_once() {
    let mut bench = Bench::new(limits(2, 1, 0));
    bench.request(1);
    bench.poll(1);
    assert_eq!(bench.answer(1, 1), Ok(()));
    bench.poll(1);
    bench.request(2);
    assert_eq!(bench.exit(1), [fail(2, Failure::Exited(EnvironmentId(1))), start(2)]);
    assert_eq!(bench.exit(1), [], "its end is news once");
}

#[test]
fn a_crash_loop_is_slowed_down_and_its_callers_are_told() {
    let mut bench = Bench::new(limits(1, 1, 5));
    assert_eq!(bench.request(1), [start(1)]);
    let mut environment = 1;
    let mut delays = vec![];
    for request in 2..10 {
        let failure = Failure::Exited(EnvironmentId(environment));
        assert_eq!(bench.exit(environment), [fail(request - 1, failure)]);
        assert_eq!(bench.request(request), [], "not before the delay is over");
        let wake = bench.pool.next_wake().expect("a planned start");
        delays.push((wake - bench.now).as_millis());
        environment += 1;
        assert_eq!(bench.after(wake - bench.now), [start(environment)]);
    }
    assert_eq!(delays, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
}

#[test]
fn a_start_that_takes_too_long_is_ended() {
    let mut bench = Bench::new(limits(1, 1, 0));
    bench.request(1);
    assert_eq!(bench.after(SECOND * 10), [stop(1), fail(1, Failure::InitTimedOut)]);
}

#[test]
fn a_start_that_takes_too_long_is_made_again_with_the_functions_time_out_when_that_is_longer() {
    let mut bench = Bench::new(Limits { timeout: SECOND * 60, ..limits(1, 2, 0) });
    bench.request(1);
    bench.after(SECOND * 5);
    bench.request(2);
    assert_eq!(bench.after(SECOND * 5), [stop(1), start(3)], "its caller waits for the next one");
    assert_eq!(bench.after(SECOND * 5), [stop(2), start(4)]);
    assert_eq!(bench.after(SECOND * 55), [stop(3), fail(1, Failure::InitTimedOut)]);
    assert_eq!(delivered(&bench.poll(4)), [(2, 4)]);
}

#[test]
fn a_cold_start_is_no_throttle_however_short_the_wait() {
    let mut bench = Bench::new(Limits { wait: SECOND, ..limits(1, 1, 1) });
    bench.request(1);
    bench.request(2);
    assert_eq!(bench.after(SECOND * 2), [fail(2, Failure::Throttled)], "nothing is being started for the second one");
    assert_eq!(bench.pool.next_wake(), Some(bench.now + SECOND * 8), "when the start is over");
    assert_eq!(delivered(&bench.poll(1)), [(1, 1)]);
}

#[test]
fn nobody_waits_for_one_start_after_another() {
    let mut bench = Bench::new(Limits { wait: SECOND, timeout: SECOND * 10, ..limits(3, 3, 0) });
    for number in 1..=3 {
        bench.request(number);
    }
    bench.after(SECOND * 9);
    assert_eq!(delivered(&bench.poll(1)), [(1, 1)], "and the other two stay");
    assert_eq!(bench.request(4), [start(2)]);
    assert_eq!(bench.after(SECOND), []);
    let throttled = [2, 3].map(|number| fail(number, Failure::Throttled));
    assert_eq!(bench.after(SECOND), throttled, "they waited for their second, and for a start");
    assert_eq!(delivered(&bench.poll(2)), [(4, 2)]);
}

#[test]
fn an_environment_that_answers_and_asks_for_nothing_more_is_not_free() {
    let mut bench = Bench::new(limits(1, 2, 0));
    bench.request(1);
    bench.poll(1);
    assert_eq!(bench.answer(1, 1), Ok(()));
    assert_eq!(bench.request(2), [], "it is about to ask");
    assert_eq!(bench.after(ASKS_WITHIN), [start(2)], "it hangs");
    assert_eq!(delivered(&bench.poll(2)), [(2, 2)]);
    assert_eq!(bench.request(3), [fail(3, Failure::Throttled)]);
    assert_eq!(bench.answer(2, 2), Ok(()));
    bench.poll(2);
    assert_eq!(bench.after(SECOND * 3), [stop(1), start(3)], "and is replaced after its time-out");
    assert_eq!(bench.after(SECOND * 20), [stop(3)], "whose start is judged as any other");
}

#[test]
fn slots_that_nobody_polls_for_take_no_requests() {
    let mut bench = Bench::new(limits(4, 1, 0));
    bench.request(1);
    assert_eq!(delivered(&bench.poll(1)), [(1, 1)]);
    assert_eq!(bench.request(2), [], "more calls may follow the first one");
    assert_eq!(bench.after(ASKS_WITHIN), []);
    assert_eq!(bench.request(3), [fail(3, Failure::Throttled)]);
    let overdue = bench.after(SECOND * 2);
    assert_eq!(overdue, [fail(1, Failure::TimedOut)], "its late answer is waited for as long again");
    assert_eq!(bench.after(SECOND * 4), [stop(1), start(2)]);
    assert_eq!(delivered(&bench.poll(2)), [(2, 2)]);
}

#[test]
fn idle_environments_go_but_the_last_one_stays() {
    let mut bench = Bench::new(limits(1, 3, 0));
    for number in 1..=3 {
        assert_eq!(bench.request(number), [start(u32::try_from(number).unwrap())]);
    }
    for environment in 1..=3 {
        assert_eq!(delivered(&bench.poll(environment)), [(u128::from(environment), environment)]);
    }
    for environment in 1..=3 {
        assert_eq!(bench.answer(environment, u128::from(environment)), Ok(()));
        bench.poll(environment);
    }
    assert_eq!(bench.after(SECOND * 600), [stop(1), stop(2)]);
    assert_eq!(bench.after(SECOND * 600), []);
}

#[test]
fn the_only_ready_environment_stays_while_others_are_starting() {
    let mut bench = Bench::new(Limits { idle: SECOND, ..limits(1, 2, 0) });
    for number in 1..=2 {
        bench.request(number);
        bench.poll(u32::try_from(number).unwrap());
    }
    assert_eq!(bench.answer(1, 1), Ok(()));
    bench.poll(1);
    assert_eq!(bench.after(SECOND * 3), [fail(2, Failure::TimedOut), stop(2), start(3)], "the first one is idle");
    assert_eq!(bench.pool.next_wake(), Some(bench.now + SECOND * 10), "when the start is over");
    bench.poll(3);
    assert_eq!(bench.after(Duration::ZERO), [stop(1)]);
}

#[test]
fn an_environment_whose_request_is_overdue_is_not_idle_and_no_reason_to_wake() {
    let mut bench = Bench::new(limits(2, 2, 0));
    for number in 1..=3 {
        bench.request(number);
    }
    for environment in [1, 1, 2, 2] {
        bench.poll(environment);
    }
    assert_eq!(bench.answer(1, 1), Ok(()));
    bench.poll(1);
    bench.after(SECOND * 3);
    assert_eq!(bench.pool.next_wake(), None, "both run what is overdue, and ask for more");
    assert_eq!(bench.after(SECOND * 600), []);
    assert_eq!(bench.answer(1, 2), Err(Refusal::Stale));
    bench.poll(1);
    assert_eq!(bench.after(SECOND * 600), [stop(1)]);
}

#[test]
fn draining_takes_nothing_new_and_lets_the_rest_finish() {
    let mut bench = Bench::new(limits(1, 1, 5));
    bench.request(1);
    bench.poll(1);
    bench.request(2);
    let mut effects = vec![];
    bench.pool.drain(&mut effects);
    assert_eq!(effects, [fail(2, Failure::Stopping)]);
    assert_eq!(bench.request(3), [fail(3, Failure::Stopping)]);
    assert_eq!(bench.answer(1, 1), Ok(()));
}

#[test]
fn a_caller_who_left_is_not_served() {
    let mut bench = Bench::new(limits(1, 1, 5));
    bench.request(1);
    bench.pool.abandoned(RequestId(1));
    assert_eq!(bench.poll(1), []);
}

/// What can happen to a pool, with a number that picks among the environments or requests there are.
#[derive(Clone, Debug)]
enum Happening {
    Request,
    Poll(usize),
    Answer(usize),
    Exit(usize),
    Pass(u64),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        4 => Just(Happening::Request),
        4 => (0usize..8).prop_map(Happening::Poll),
        4 => (0usize..8).prop_map(Happening::Answer),
        1 => (0usize..8).prop_map(Happening::Exit),
        1 => (0u64..4_000).prop_map(Happening::Pass),
    ];
    proptest::collection::vec(one, 1..400)
}

/// Plays the shell: knows which processes run and what they were given, and judges every effect.
struct Simulation {
    bench: Bench,
    limits: Limits,
    /// Live processes with what each was given and has not answered.
    processes: BTreeMap<EnvironmentId, Vec<RequestId>>,
    /// Calls for work that each has open.
    calls: HashMap<EnvironmentId, usize>,
    /// Who waits for an answer, and since when.
    open: HashMap<RequestId, Instant>,
    requests: u128,
}

impl Simulation {
    fn new(limits: Limits) -> Self {
        Self {
            bench: Bench::new(limits),
            limits,
            processes: BTreeMap::new(),
            calls: HashMap::new(),
            open: HashMap::new(),
            requests: 0,
        }
    }

    fn pick(&self, number: usize) -> Option<EnvironmentId> {
        self.processes.keys().nth(number % self.processes.len().max(1)).copied()
    }

    fn calls_of(&self, id: EnvironmentId) -> usize {
        self.calls.get(&id).copied().unwrap_or_default()
    }

    fn step(&mut self, happening: &Happening) {
        let effects = match happening {
            Happening::Request => {
                self.requests += 1;
                self.open.insert(RequestId(self.requests), self.bench.now);
                self.bench.request(self.requests)
            }
            Happening::Poll(number) => match self.pick(*number) {
                // A process polls only with a slot that is free.
                Some(id) if self.processes[&id].len() + self.calls_of(id) < self.limits.concurrency => {
                    *self.calls.entry(id).or_default() += 1;
                    self.bench.poll(id.0)
                }
                _ => vec![],
            },
            Happening::Answer(number) => {
                let Some(id) = self.pick(*number) else { return };
                let Some(request) = self.processes.get_mut(&id).and_then(Vec::pop) else { return };
                if self.bench.answer(id.0, request.0) == Ok(()) {
                    self.end(request);
                } else {
                    assert!(!self.open.contains_key(&request), "an answer was refused though its caller waits");
                }
                vec![]
            }
            Happening::Exit(number) => match self.pick(*number) {
                Some(id) => {
                    self.processes.remove(&id);
                    self.bench.exit(id.0)
                }
                None => vec![],
            },
            Happening::Pass(ms) => return self.pass(Duration::from_millis(*ms)),
        };
        self.obey(&effects);
    }

    /// Lets time pass, waking the pool whenever it wants to be.
    fn pass(&mut self, passed: Duration) {
        let until = self.bench.now + passed;
        while let Some(wake) = self.bench.pool.next_wake().filter(|wake| *wake < until) {
            self.wake(wake);
        }
        self.wake(until);
    }

    fn wake(&mut self, at: Instant) {
        let effects = self.bench.after(at.saturating_duration_since(self.bench.now));
        self.obey(&effects);
    }

    fn end(&mut self, request: RequestId) {
        let since = self.open.remove(&request).unwrap_or_else(|| panic!("{request:?} ended twice"));
        let took = self.bench.now - since;
        let at_most = self.limits.wait + self.limits.whole_start() + self.limits.timeout;
        assert!(took <= at_most, "{request:?} took {took:?}");
    }

    fn obey(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Start(id) => assert!(self.processes.insert(*id, vec![]).is_none(), "an id was used twice"),
                Effect::Stop(id) => assert!(self.processes.remove(id).is_some(), "stopped what does not run"),
                Effect::Deliver { request, environment, .. } => {
                    assert!(self.open.contains_key(request), "delivered what has ended");
                    *self.calls.get_mut(environment).expect("delivered without a call") -= 1;
                    let given = self.processes.get_mut(environment).expect("delivered to a dead process");
                    given.push(*request);
                    assert!(given.len() <= self.limits.concurrency);
                }
                Effect::Fail(request, _) => self.end(*request),
            }
        }
        let Pool { flights, deadlines, .. } = &self.bench.pool;
        assert!(self.processes.len() <= self.limits.environments && flights.len() <= self.limits.requests);
        assert_eq!(deadlines.len(), flights.len(), "a deadline is kept for as long as its request runs");
    }
}

/// Limits that the simulation's short lives reach.
fn tight_limits() -> impl Strategy<Value = Limits> {
    let numbers = (1usize..4, 1usize..4, 0usize..6, 1usize..9, 2u32..7);
    numbers.prop_map(|(concurrency, environments, waiting, requests, timeout)| Limits {
        requests,
        wait: SECOND * 3,
        timeout: SECOND * timeout,
        init: SECOND * 4,
        idle: SECOND * 5,
        ..limits(concurrency, environments, waiting)
    })
}

proptest! {
    #[test]
    fn every_request_ends_exactly_once_and_in_time_whatever_happens(
        happenings in happenings(),
        limits in tight_limits(),
    ) {
        let mut simulation = Simulation::new(limits);
        for happening in &happenings {
            simulation.step(happening);
        }
        let mut effects = vec![];
        simulation.bench.pool.stop(&mut effects);
        simulation.obey(&effects);
        prop_assert!(simulation.open.is_empty(), "nobody may be left without an answer: {:?}", simulation.open);
        prop_assert!(simulation.processes.is_empty());
    }

    #[test]
    fn time_alone_ends_everything(happenings in happenings(), limits in tight_limits()) {
        let mut simulation = Simulation::new(limits);
        for happening in &happenings {
            simulation.step(happening);
        }
        // Nobody polls or answers any more.
        while !simulation.open.is_empty() {
            let wake = simulation.bench.pool.next_wake().expect("who still waits is thought of");
            simulation.wake(wake);
        }
    }
}
