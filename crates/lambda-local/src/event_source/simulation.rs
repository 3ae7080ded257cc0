//! The cores of the event source together, against a made-up broker and a function that fails as it likes: whatever
//! happens, nothing is committed that was not settled, nothing overtakes, and in the end everything is done.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::batcher::{Batcher, Epoch, IN_FLIGHT, Limits, Slice};
use super::checkpoint::Checkpoint;
use super::delivery::{Delivery, Outcome, Policy, Verdict};
use super::handover::{Answer, Handover};
use super::line::Line;
use super::record::{Partition, Record};
use crate::template::RetrySpec;

mod batches;

const PARTITIONS: Partition = 3;
const LIMITS: Limits =
    Limits { records: 5, bytes: 200, overhead: 10, partition_overhead: 10, window: Duration::from_millis(500) };

#[derive(Clone, Debug)]
enum Happening {
    /// A record of so many bytes is written to a partition.
    Write(Partition, usize),
    /// Time passes.
    Pass(u64),
    /// A batch in flight comes back: which, how, and which of its records failed.
    Return(usize, How),
    /// The wait of a batch is over: which.
    Wake(usize),
    /// Every partition is lost and given back.
    Lost,
    /// Every partition is recalled, and given back once it was given up.
    Recall,
    /// The commit under way ends: whether the broker took it.
    Commit(bool),
}

#[derive(Clone, Debug)]
enum How {
    Success,
    FunctionError,
    NotReached,
    Failures(u64),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let how = prop_oneof![
        3 => Just(How::Success),
        1 => Just(How::FunctionError),
        1 => Just(How::NotReached),
        1 => any::<u64>().prop_map(How::Failures),
    ];
    let one = prop_oneof![
        6 => (0..PARTITIONS, 1usize..60).prop_map(|(partition, bytes)| Happening::Write(partition, bytes)),
        1 => (0..PARTITIONS, 190usize..300).prop_map(|(partition, bytes)| Happening::Write(partition, bytes)),
        3 => (0u64..700).prop_map(Happening::Pass),
        4 => (0usize..8, how).prop_map(|(which, how)| Happening::Return(which, how)),
        2 => (0usize..8).prop_map(Happening::Wake),
        1 => Just(Happening::Lost),
        1 => Just(Happening::Recall),
        3 => any::<bool>().prop_map(Happening::Commit),
    ];
    proptest::collection::vec(one, 1..300)
}

struct World {
    now: Instant,
    policy: Policy,
    log: BTreeMap<Partition, Vec<usize>>,
    /// What the broker has of the group.
    committed: BTreeMap<Partition, i64>,
    /// How far the consumer has read.
    position: BTreeMap<Partition, i64>,
    batcher: Batcher,
    line: Line,
    checkpoint: Checkpoint,
    handover: Handover,
    /// Every partition is this poller's, or none is and it was asked for them.
    has_partitions: bool,
    /// The group did not wait for an answer.
    lost: bool,
    /// Positions on their way to the broker.
    committing: Option<Vec<(Partition, i64)>>,
    /// The assignments, and the records the function did under them.
    epochs: BTreeMap<Partition, Epoch>,
    done: BTreeSet<(Partition, i64)>,
    in_flight: Vec<Delivery>,
    /// Those that wait for their next try.
    waiting: Vec<Delivery>,
    /// Every record that was settled, or given up, or passed over.
    settled: BTreeSet<(Partition, i64)>,
}

impl World {
    fn new(retry: RetrySpec) -> Self {
        let now = Instant::now();
        let policy = Policy { retry, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(60) };
        let mut world = Self {
            now,
            policy,
            log: (0..PARTITIONS).map(|partition| (partition, vec![])).collect(),
            committed: BTreeMap::new(),
            position: BTreeMap::new(),
            batcher: Batcher::new(LIMITS, now),
            line: Line::default(),
            checkpoint: Checkpoint::default(),
            handover: Handover::default(),
            has_partitions: true,
            lost: false,
            committing: None,
            epochs: BTreeMap::new(),
            done: BTreeSet::new(),
            in_flight: vec![],
            waiting: vec![],
            settled: BTreeSet::new(),
        };
        world.assign();
        world
    }

    fn assign(&mut self) {
        self.has_partitions = true;
        self.done.clear();
        for partition in 0..PARTITIONS {
            let epoch = self.batcher.assign(partition);
            self.checkpoint.assign(partition, epoch);
            self.epochs.insert(partition, epoch);
            self.position.insert(partition, self.committed.get(&partition).copied().unwrap_or(0));
        }
    }

    fn step(&mut self, happening: &Happening) {
        match happening {
            Happening::Write(partition, bytes) => self.log.get_mut(partition).expect("a partition").push(*bytes),
            Happening::Pass(ms) => self.now += Duration::from_millis(*ms),
            Happening::Return(which, how) => self.come_back(*which, |_| how.clone()),
            Happening::Wake(which) if !self.waiting.is_empty() => {
                let delivery = self.waiting.remove(which % self.waiting.len());
                self.line.join(delivery);
            }
            Happening::Wake(_) => {}
            Happening::Lost => {
                self.recall();
                self.handover.given_up();
                self.lost = true;
            }
            Happening::Recall => self.recall(),
            Happening::Commit(taken) => self.end_commit(*taken),
        }
        self.turn();
    }

    fn recall(&mut self) {
        if std::mem::take(&mut self.has_partitions) {
            (0..PARTITIONS).for_each(|partition| self.batcher.revoke(partition));
            self.handover.recalled((0..PARTITIONS).collect(), self.now + Duration::from_hours(1_000));
        }
    }

    fn end_commit(&mut self, taken: bool) {
        let Some(positions) = self.committing.take() else { return };
        if !taken {
            return self.checkpoint.failed();
        }
        for (partition, next) in positions {
            let unsettled = (0..next).find(|offset| !self.settled.contains(&(partition, *offset)));
            assert_eq!(unsettled, None, "partition {partition} was committed up to {next}");
            let before = self.committed.insert(partition, next);
            assert!(before <= Some(next), "a commit went back from {before:?} to {next}");
        }
        self.checkpoint.committed();
    }

    /// Another poller may have the partitions from now on.
    fn give_back(&mut self, partitions: Vec<Partition>) {
        let lost = std::mem::take(&mut self.lost);
        if lost {
            // The broker takes no position from who is out of the group.
            self.end_commit(false);
        }
        for partition in partitions {
            self.checkpoint.revoke(partition);
            let next = self.committed.get(&partition).copied().unwrap_or(0);
            let mut invoked = self.in_flight.iter().flat_map(Delivery::partitions);
            assert!(lost || !self.done.contains(&(partition, next)), "{partition}: what is done would be done again");
            assert!(
                lost || invoked.all(|invoked| invoked != partition),
                "{partition}: its next owner would run beside"
            );
        }
    }

    /// What the poller does between two happenings.
    fn turn(&mut self) {
        if let Some(Answer::GiveBack(partitions)) = self.handover.answer(&self.batcher, &self.checkpoint, self.now) {
            self.give_back(partitions);
            self.assign();
        }
        for (partition, log) in &self.log {
            let position = self.position.get_mut(partition).expect("a position");
            while self.batcher.has_room(*partition) {
                let Some(bytes) = usize::try_from(*position).ok().and_then(|at| log.get(at)) else { break };
                let record = Record { offset: *position, timestamp_ms: 0, json: vec![b'x'; *bytes].into_boxed_slice() };
                if !self.batcher.push(*partition, record, self.now) {
                    self.settled.insert((*partition, *position));
                }
                *position += 1;
            }
        }
        while let Some(delivery) = self.line.next(&mut self.batcher, self.now) {
            self.begin(delivery);
        }
        if self.committing.is_none() {
            self.committing = Some(self.checkpoint.take()).filter(|positions| !positions.is_empty());
        }
    }

    fn begin(&mut self, delivery: Delivery) {
        let rest = delivery.without_revoked(|partition, epoch| self.batcher.is_current(partition, epoch));
        let Some(delivery) = rest else { return self.batcher.returned(self.now) };
        check_batch(&delivery.slices().cloned().collect::<Vec<_>>());
        let partitions = delivery.partitions();
        let mut invoked = self.in_flight.iter().flat_map(Delivery::partitions);
        assert!(invoked.all(|partition| !partitions.contains(&partition)), "a partition is invoked twice at once");
        drop(invoked);
        self.batcher.began(partitions);
        self.in_flight.push(delivery);
        assert!(self.in_flight.len() <= IN_FLIGHT);
    }

    fn come_back(&mut self, which: usize, how: impl Fn(&[(Partition, i64)]) -> How) {
        if self.in_flight.is_empty() {
            return;
        }
        let delivery = self.in_flight.remove(which % self.in_flight.len());
        let tried: Vec<(Partition, i64)> = delivery
            .slices()
            .flat_map(|slice| slice.records.iter().map(|record| (slice.partition, record.offset)))
            .collect();
        let outcome = match how(&tried) {
            How::Success => Outcome::Success,
            How::FunctionError => Outcome::FunctionError,
            How::NotReached => Outcome::NotReached,
            How::Failures(bits) => {
                let chosen = tried.iter().enumerate().filter(|(at, _)| bits >> (at % 64) & 1 == 1);
                Outcome::Failures(chosen.map(|(_, record)| *record).collect())
            }
        };
        let is_current = |slice: &Slice| self.epochs.get(&slice.partition) == Some(&slice.epoch);
        let current: BTreeSet<_> =
            delivery.slices().filter(|slice| is_current(slice)).map(|slice| slice.partition).collect();
        let succeeded = |record: &(Partition, i64)| match &outcome {
            Outcome::Success => true,
            Outcome::Failures(failed) => !failed.contains(record),
            _ => false,
        };
        for record in tried.into_iter().filter(succeeded) {
            self.settled.insert(record);
            if current.contains(&record.0) {
                self.done.insert(record);
            }
        }
        self.batcher.ended(delivery.partitions());
        let verdict = delivery.conclude(&outcome, &self.policy, 7);
        self.act_on(verdict);
    }

    fn act_on(&mut self, verdict: Verdict) {
        for given_up in &verdict.given_up {
            assert!(self.policy.retry.attempts.is_some(), "nothing is given up that may be tried for ever");
            self.settled.extend((given_up.first..=given_up.last).map(|offset| (given_up.partition, offset)));
        }
        for settled in verdict.settled {
            self.checkpoint.settled(settled);
            if settled.done {
                self.batcher.release(settled.partition, settled.epoch);
            }
        }
        assert!(verdict.wait <= self.policy.longest_wait);
        if verdict.again.is_empty() {
            self.batcher.returned(self.now);
        }
        self.waiting.extend(verdict.again);
    }

    /// Time passes, and whatever can come to its end does.
    fn go_on(&mut self, how: impl Fn(&[(Partition, i64)]) -> How) {
        self.step(&Happening::Pass(500));
        self.step(&Happening::Wake(0));
        self.come_back(0, how);
        self.step(&Happening::Commit(true));
    }

    fn is_done(&self) -> bool {
        self.log.iter().all(|(partition, log)| {
            self.committed.get(partition).copied().unwrap_or(0) == i64::try_from(log.len()).expect("few records")
        })
    }
}

fn check_batch(slices: &[Slice]) {
    let records: Vec<&Record> = slices.iter().flat_map(|slice| &slice.records).collect();
    assert!(!records.is_empty() && records.len() <= LIMITS.records);
    let content: usize = records.iter().map(|record| record.json.len()).sum();
    let commas = records.len().saturating_sub(slices.len());
    assert!(
        LIMITS.overhead + slices.len() * LIMITS.partition_overhead + content + commas <= LIMITS.bytes + slices.len()
    );
    let partitions: BTreeSet<_> = slices.iter().map(|slice| slice.partition).collect();
    assert_eq!(partitions.len(), slices.len(), "a partition stands in a batch once");
    for slice in slices {
        assert!(slice.records.windows(2).all(|pair| pair[0].offset < pair[1].offset), "in order");
    }
}

proptest! {
    #[test]
    fn nothing_unsettled_is_committed_and_all_is_done_in_the_end(
        happenings in happenings(),
        attempts in prop_oneof![Just(None), (0u32..4).prop_map(Some)],
        bisect in any::<bool>(),
    ) {
        let mut world = World::new(RetrySpec { attempts, max_age: None, bisect });
        for happening in &happenings {
            world.step(happening);
        }
        for _ in 0..3_000 {
            if world.is_done() {
                break;
            }
            world.go_on(|_| How::Success);
        }
        prop_assert!(world.is_done(), "committed {:?} of {:?}", world.committed, world.log);
    }
}

proptest! {
    #[test]
    fn a_record_that_always_fails_holds_up_its_own_partition_only(
        happenings in happenings(),
        poison in (0..PARTITIONS, 0i64..4),
    ) {
        let mut world = World::new(RetrySpec { bisect: true, ..RetrySpec::default() });
        (0..PARTITIONS).for_each(|partition| world.log.get_mut(&partition).expect("a partition").extend([10; 4]));
        let fails = |tried: &[(Partition, i64)]| tried.contains(&poison);
        for happening in &happenings {
            match happening {
                Happening::Return(which, _) => world.come_back(*which, |tried| how(fails(tried))),
                other => world.step(other),
            }
        }
        let expected: BTreeMap<_, _> = world.log.iter().map(|(partition, log)| {
            let end = i64::try_from(log.len()).expect("few records");
            (*partition, if *partition == poison.0 { poison.1 } else { end })
        }).collect();
        let is_done = |world: &World| expected.iter().all(|(partition, end)| {
            world.committed.get(partition).copied().unwrap_or(0) == *end
        });
        for _ in 0..3_000 {
            if is_done(&world) {
                break;
            }
            world.go_on(|tried| how(fails(tried)));
        }
        prop_assert!(is_done(&world), "committed {:?} of {:?}", world.committed, expected);
    }
}

fn how(fails: bool) -> How {
    if fails { How::FunctionError } else { How::Success }
}

/// What becomes of a batch after each try.
mod deliveries {
    use super::*;
    use crate::event_source::delivery::{GivenUp, Settled};

    fn delivery(partitions: &[(Partition, std::ops::Range<i64>)]) -> Delivery {
        let slices = partitions.iter().map(|(partition, offsets)| {
            let records =
                offsets.clone().map(|offset| Record { offset, timestamp_ms: offset * 1_000, json: Box::from(*b"{}") });
            Slice { partition: *partition, epoch: Epoch(1), records: records.collect() }
        });
        Delivery::new(slices.collect())
    }

    fn policy(retry: RetrySpec) -> Policy {
        Policy { retry, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(60) }
    }

    fn settled(partition: Partition, next: i64, done: bool) -> Settled {
        Settled { partition, epoch: Epoch(1), next, done }
    }

    fn left(verdict: &Verdict) -> Vec<(Partition, Vec<i64>)> {
        let slices = verdict.again.iter().flat_map(Delivery::slices);
        slices.map(|slice| (slice.partition, slice.records.iter().map(|record| record.offset).collect())).collect()
    }

    fn only(verdict: Verdict) -> Delivery {
        let [again] = <[Delivery; 1]>::try_from(verdict.again).expect("one batch to try again");
        again
    }

    #[test]
    fn success_settles_all_of_it() {
        let verdict = delivery(&[(0, 5..8), (1, 0..1)]).conclude(&Outcome::Success, &policy(RetrySpec::default()), 0);
        assert_eq!(verdict.settled, [settled(0, 8, true), settled(1, 1, true)]);
        assert!(verdict.again.is_empty());
    }

    #[test]
    fn single_failures_are_tried_again_alone_and_hold_the_position() {
        let failures = Outcome::Failures(BTreeSet::from([(0, 6), (0, 8)]));
        let verdict = delivery(&[(0, 5..9), (1, 0..1)]).conclude(&failures, &policy(RetrySpec::default()), 0);
        assert_eq!(verdict.settled, [settled(0, 6, false), settled(1, 1, true)]);
        assert_eq!(left(&verdict), [(0, vec![6, 8])]);
        let verdict = only(verdict).conclude(&Outcome::Success, &policy(RetrySpec::default()), 0);
        assert_eq!(verdict.settled, [settled(0, 9, true)]);
    }

    #[test]
    fn retries_are_counted_without_the_first_try_and_without_what_was_not_reached() {
        let policy = policy(RetrySpec { attempts: Some(1), ..RetrySpec::default() });
        let mut again = delivery(&[(0, 5..7)]);
        for outcome in [Outcome::NotReached, Outcome::FunctionError, Outcome::NotReached] {
            again = only(again.conclude(&outcome, &policy, 0));
        }
        let verdict = again.conclude(&Outcome::FunctionError, &policy, 0);
        assert_eq!(verdict.given_up, [GivenUp { partition: 0, first: 5, last: 6, count: 2 }]);
        assert_eq!(verdict.settled, [settled(0, 7, true)]);
        assert!(verdict.again.is_empty());
    }

    #[test]
    fn bisecting_tries_the_halves_one_after_the_other() {
        let policy = policy(RetrySpec { attempts: Some(0), bisect: true, ..RetrySpec::default() });
        let verdict = delivery(&[(0, 0..4)]).conclude(&Outcome::FunctionError, &policy, 0);
        assert_eq!(left(&verdict), [(0, vec![0, 1])]);
        let verdict = only(verdict).conclude(&Outcome::Success, &policy, 0);
        assert_eq!(
            (verdict.settled.as_slice(), left(&verdict)),
            ([settled(0, 2, false)].as_slice(), vec![(0, vec![2, 3])])
        );
        let verdict = only(verdict).conclude(&Outcome::FunctionError, &policy, 0);
        assert_eq!(left(&verdict), [(0, vec![2])], "halved once more");
        let verdict = only(verdict).conclude(&Outcome::FunctionError, &policy, 0);
        assert_eq!(verdict.given_up, [GivenUp { partition: 0, first: 2, last: 2, count: 1 }]);
        assert_eq!(left(&verdict), [(0, vec![3])]);
    }

    #[test]
    fn what_fails_holds_up_its_own_partitions_only() {
        let policy = policy(RetrySpec { bisect: true, ..RetrySpec::default() });
        let verdict = delivery(&[(0, 0..2), (1, 0..3), (2, 0..1)]).conclude(&Outcome::FunctionError, &policy, 0);
        let [first, rest] = <[Delivery; 2]>::try_from(verdict.again).expect("two batches");
        let tried = |delivery: &Delivery| delivery.slices().map(|slice| slice.partition).collect::<Vec<_>>();
        assert_eq!((tried(&first), tried(&rest)), (vec![0, 1], vec![2]), "partition 1 is in both halves");
        let verdict = rest.conclude(&Outcome::Success, &policy, 0);
        assert_eq!((verdict.settled, verdict.again), (vec![settled(2, 1, true)], vec![]));
        let verdict = first.conclude(&Outcome::FunctionError, &policy, 0);
        let [first, rest] = <[Delivery; 2]>::try_from(verdict.again).expect("two batches");
        let verdict = rest.conclude(&Outcome::Success, &policy, 0);
        assert_eq!(verdict.settled, [settled(1, 1, false)], "in order, also over the halves");
        assert_eq!(only(verdict).conclude(&Outcome::Success, &policy, 0).settled, [settled(1, 3, true)]);
        let verdict = first.conclude(&Outcome::NotReached, &policy, 0);
        assert_eq!(left(&verdict), [(0, vec![0])]);
    }

    #[test]
    fn what_is_too_old_is_given_up_before_it_is_tried() {
        let policy = policy(RetrySpec { max_age: Some(Duration::from_secs(60)), ..RetrySpec::default() });
        let verdict = delivery(&[(0, 1..4)]).without_expired(&policy, 62_500);
        assert_eq!(verdict.given_up, [GivenUp { partition: 0, first: 1, last: 2, count: 2 }]);
        assert_eq!(left(&verdict), [(0, vec![3])]);
        assert_eq!(verdict.settled, [settled(0, 3, false)]);
    }

    #[test]
    fn waits_double_up_to_a_minute_and_half_of_them_is_random() {
        let policy = policy(RetrySpec::default());
        let mut again = delivery(&[(0, 0..1)]);
        let mut waits = vec![];
        for random in [0, u64::MAX, 0, 0, 0, 0, 0, 0] {
            let verdict = again.conclude(&Outcome::FunctionError, &policy, random);
            waits.push(verdict.wait.as_millis());
            again = only(verdict);
        }
        assert_eq!(waits[0], 500);
        assert!((1_000..=2_000).contains(&waits[1]), "{waits:?}");
        assert_eq!(waits[2..], [2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    }

    #[test]
    fn the_answer_of_a_function_is_judged_strictly() {
        use crate::event_source::response::outcome;
        let check = |body: &str, expected: Outcome| {
            assert_eq!(outcome(body.as_bytes(), "t-1", &delivery(&[(0, 5..8)])), expected, "{body}");
        };
        let item = |partition: &str, offset: &str| {
            format!(r#"{{"batchItemFailures":[{{"itemIdentifier":{{"partition":{partition},"offset":{offset}}}}}]}}"#)
        };
        for success in
            ["", "null", "{}", r#"{"batchItemFailures":null}"#, r#"{"batchItemFailures":[]}"#, r#"{"other":1}"#]
        {
            check(success, Outcome::Success);
        }
        check(&item("\"t-1-0\"", "6"), Outcome::Failures(BTreeSet::from([(0, 6)])));
        for failed in [
            item("\"t-1-0\"", "8"),
            item("\"t-1-1\"", "6"),
            item("\"u-0\"", "6"),
            item("0", "6"),
            item("\"t-1-0\"", "\"6\""),
            item("null", "6"),
            item("\"\"", "6"),
            r#"{"batchItemFailures":{}}"#.to_owned(),
            "[]".to_owned(),
            "{".to_owned(),
            r#"{"batchItemFailures":[{"itemIdentifier":"t-1-0"}]}"#.to_owned(),
            r#"{"batchItemFailures":[{}]}"#.to_owned(),
        ] {
            check(&failed, Outcome::FunctionError);
        }
    }
}
