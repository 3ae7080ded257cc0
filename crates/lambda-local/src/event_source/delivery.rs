//! What becomes of a batch after each try: a pure core. It owns the batch until nothing of it is left to do.
//!
//! Promises: records of a partition are settled in order as far as the function allows it; the position to commit is
//! never past a record that is not settled; a whole batch that failed is tried again whole (or in halves, one after the
//! other, with bisecting); of a batch whose function reported single failures only those are tried again; what fails holds
//! up its own partitions only; tries that did not reach the function do not count; what has been tried often enough, or is
//! too old, is given up and named.
//!
//! Emulator policy, where AWS documents nothing: retries wait 1 s, doubling to 60 s, with half of it random; halving a
//! batch does not use up a retry; partitions that are done are free while the rest is tried again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::batcher::{Epoch, Slice};
use super::record::{Partition, Record};
use crate::template::RetrySpec;

/// What one try came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is done.
    Success,
    /// The function names the records that failed.
    Failures(BTreeSet<(Partition, i64)>),
    /// The function failed.
    FunctionError,
    /// The function was not reached: throttled, or the endpoint is away.
    NotReached,
}

/// How a batch is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// What the template says.
    pub retry: RetrySpec,
    /// The wait before the first retry.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
}

/// A position of a partition that may be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The partition.
    pub partition: Partition,
    /// The assignment its records were taken under.
    pub epoch: Epoch,
    /// The next offset to read.
    pub next: i64,
    /// Nothing of the partition is left in the batch.
    pub done: bool,
}

/// Records that were given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Their partition.
    pub partition: Partition,
    /// The first of them.
    pub first: i64,
    /// The last of them.
    pub last: i64,
    /// How many.
    pub count: usize,
}

/// What follows from a try.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Positions that moved.
    pub settled: Vec<Settled>,
    /// What was given up.
    pub given_up: Vec<GivenUp>,
    /// What to try again: a batch, or batches without a partition in common. Empty: the batch is done with.
    pub again: Vec<Delivery>,
    /// After which wait.
    pub wait: Duration,
}

/// A batch on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    parts: VecDeque<Part>,
    /// Per partition: its assignment, how far it was settled, and where it ends.
    marks: BTreeMap<Partition, Mark>,
    /// Tries in a row without success: what the wait grows with.
    unsuccessful: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    slices: Vec<Slice>,
    errors: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    epoch: Epoch,
    settled: i64,
    end: i64,
}

impl Delivery {
    /// A batch that was not tried yet.
    #[must_use]
    pub fn new(slices: Vec<Slice>) -> Self {
        let mark = |slice: &Slice| {
            let first = slice.records.first()?.offset;
            let end = slice.records.last()?.offset + 1;
            Some((slice.partition, Mark { epoch: slice.epoch, settled: first, end }))
        };
        let marks = slices.iter().filter_map(mark).collect();
        Self { parts: VecDeque::from([Part { slices, errors: 0 }]), marks, unsuccessful: 0 }
    }

    /// The records to try now.
    pub fn slices(&self) -> impl Iterator<Item = &Slice> {
        self.parts.front().into_iter().flat_map(|part| part.slices.iter())
    }

    /// The partitions of the records to try now.
    #[must_use]
    pub fn partitions(&self) -> BTreeSet<Partition> {
        self.slices().map(|slice| slice.partition).collect()
    }

    /// Whether a record is among those being tried.
    #[must_use]
    pub fn contains(&self, partition: Partition, offset: i64) -> bool {
        let mut slices = self.slices().filter(|slice| slice.partition == partition);
        slices.any(|slice| slice.records.binary_search_by_key(&offset, |record| record.offset).is_ok())
    }

    /// Leaves out what another poller has been given since: it is read there again. Nothing: nothing is left.
    #[must_use]
    pub fn without_revoked(mut self, is_current: impl Fn(Partition, Epoch) -> bool) -> Option<Self> {
        for part in &mut self.parts {
            part.slices.retain(|slice| is_current(slice.partition, slice.epoch));
        }
        self.marks.retain(|partition, mark| is_current(*partition, mark.epoch));
        self.drop_empty();
        (!self.parts.is_empty()).then_some(self)
    }

    /// Gives up what is too old. To be called before each try; what is left may be nothing.
    #[must_use]
    pub fn without_expired(mut self, policy: &Policy, now_ms: i64) -> Verdict {
        let Some(age) = policy.retry.max_age else { return self.verdict(vec![], Duration::ZERO) };
        let oldest = now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let mut given_up = vec![];
        if let Some(part) = self.parts.front_mut() {
            for slice in &mut part.slices {
                let (old, young) =
                    std::mem::take(&mut slice.records).into_iter().partition(|r| r.timestamp_ms < oldest);
                slice.records = young;
                given_up.extend(named(slice.partition, &old));
            }
        }
        self.drop_empty();
        self.verdict(given_up, Duration::ZERO)
    }

    /// Draws the conclusions from a try. `random` decides the random half of the wait.
    #[must_use]
    pub fn conclude(mut self, outcome: &Outcome, policy: &Policy, random: u64) -> Verdict {
        let mut given_up = vec![];
        let Some(part) = self.parts.pop_front() else { return self.verdict(given_up, Duration::ZERO) };
        self.unsuccessful = if *outcome == Outcome::Success { 0 } else { self.unsuccessful.saturating_add(1) };
        match outcome {
            Outcome::Success => {}
            Outcome::NotReached => self.parts.push_front(part),
            Outcome::Failures(failed) => {
                let rest = part.only(failed);
                self.retry_or_give_up(rest, policy, &mut given_up);
            }
            Outcome::FunctionError if policy.retry.bisect && part.count() > 1 => {
                let (first, second) = part.halves();
                self.parts.push_front(second);
                self.parts.push_front(first);
            }
            Outcome::FunctionError => self.retry_or_give_up(part, policy, &mut given_up),
        }
        self.drop_empty();
        let wait = if self.unsuccessful == 0 { Duration::ZERO } else { wait(policy, self.unsuccessful, random) };
        let mut verdict = self.verdict(given_up, wait);
        if matches!(outcome, Outcome::FunctionError | Outcome::Failures(_)) {
            verdict.again = verdict.again.into_iter().flat_map(Self::apart).collect();
        }
        verdict
    }

    /// The first part and what has to wait for it, and the rest as a batch of its own: order matters only within a
    /// partition, and the first part may fail for ever.
    fn apart(mut self) -> impl Iterator<Item = Self> {
        let held_up = self.partitions();
        let free = |slice: &mut Slice| !held_up.contains(&slice.partition);
        let split = |part: &mut Part| Part { slices: part.slices.extract_if(.., free).collect(), errors: part.errors };
        let parts = self.parts.iter_mut().map(split).collect();
        let marks = self.marks.extract_if(.., |partition, _| !held_up.contains(partition)).collect();
        let mut rest = Self { parts, marks, unsuccessful: self.unsuccessful };
        self.drop_empty();
        rest.drop_empty();
        [self, rest].into_iter().filter(|delivery| !delivery.parts.is_empty())
    }

    fn retry_or_give_up(&mut self, mut part: Part, policy: &Policy, given_up: &mut Vec<GivenUp>) {
        part.errors += 1;
        if policy.retry.attempts.is_some_and(|attempts| part.errors > attempts) {
            given_up.extend(part.slices.iter().filter_map(|slice| named(slice.partition, &slice.records)));
        } else {
            self.parts.push_front(part);
        }
    }

    fn drop_empty(&mut self) {
        for part in &mut self.parts {
            part.slices.retain(|slice| !slice.records.is_empty());
        }
        self.parts.retain(|part| !part.slices.is_empty());
    }

    /// Every position that moved, and the rest of the work.
    fn verdict(mut self, given_up: Vec<GivenUp>, wait: Duration) -> Verdict {
        let mut settled = vec![];
        let mut lowest = BTreeMap::<Partition, i64>::new();
        for slice in self.parts.iter().flat_map(|part| &part.slices) {
            let first = slice.records.first().map_or(i64::MAX, |record| record.offset);
            lowest.entry(slice.partition).and_modify(|low| *low = first.min(*low)).or_insert(first);
        }
        self.marks.retain(|partition, mark| {
            let left = lowest.get(partition);
            let next = left.copied().unwrap_or(mark.end);
            if next > mark.settled || left.is_none() {
                settled.push(Settled { partition: *partition, epoch: mark.epoch, next, done: left.is_none() });
                mark.settled = next;
            }
            left.is_some()
        });
        let again = if self.parts.is_empty() { vec![] } else { vec![self] };
        Verdict { settled, given_up, again, wait }
    }
}

impl Part {
    fn count(&self) -> usize {
        self.slices.iter().map(|slice| slice.records.len()).sum()
    }

    fn only(mut self, failed: &BTreeSet<(Partition, i64)>) -> Self {
        for slice in &mut self.slices {
            slice.records.retain(|record| failed.contains(&(slice.partition, record.offset)));
        }
        self
    }

    fn halves(self) -> (Self, Self) {
        let mut left = self.count() / 2;
        let (mut first, mut second) = (vec![], vec![]);
        for mut slice in self.slices {
            let rest = slice.records.split_off(left.min(slice.records.len()));
            left -= slice.records.len();
            second.push(Slice { records: rest, ..slice });
            first.push(slice);
        }
        (Self { slices: first, errors: self.errors }, Self { slices: second, errors: self.errors })
    }
}

fn named(partition: Partition, records: &[Record]) -> Option<GivenUp> {
    let (first, last) = (records.first()?.offset, records.last()?.offset);
    Some(GivenUp { partition, first, last, count: records.len() })
}

/// Doubles from the first to the longest wait; the upper half of it is random.
fn wait(policy: &Policy, unsuccessful: u32, random: u64) -> Duration {
    let doubled = policy.first_wait.saturating_mul(1 << unsuccessful.saturating_sub(1).min(20));
    let half = doubled.min(policy.longest_wait) / 2;
    let span = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).saturating_add(1);
    half + Duration::from_micros(random % span)
}
