//! Which records make the next batch, and when: a pure core with the time as an argument.
//!
//! Bounds: per partition no more is buffered than one batch holds ([`Batcher::has_room`] says when to fetch on), and at
//! most [`IN_FLIGHT`] batches are being tried at a time. A batch has at most [`Limits::records`] records of
//! [`Limits::bytes`] of JSON.
//!
//! Promises: records of a partition leave in order; a partition has at most one batch out, and none is taken from it
//! before [`Batcher::release`]; nor is one while an invocation with records of it is still running, be it for an earlier
//! assignment. A batch that waits for its next try keeps its partitions, but no place among those in flight. A batch
//! leaves when it is full, or when the window ends and there is any record, or a little later, as said below. The window
//! opens when a batch leaves, and again when one is done with and no other is being tried; while nothing arrives, windows
//! follow one another, as Lambda's do.
//!
//! A batch that is not full may leave later than its window ends, since each costs a function something, however small it is:
//! - While a batch is being tried, the next one leaves [`COMPANY`] after the last one left at the earliest. So with a window of
//!   zero a lone record waits for nothing but a batch under way.
//! - Once none is being tried, and the last one had [`MANY`] records or more, the next one is gathered. It leaves when no
//!   record has come for [`QUIET`] (a little longer where batches take long), or so long after the last one left as
//!   [`gathering`] says, which grows with the records that the last one had. A stream of more than 1,000 records a second
//!   comes to the longest time, once a batch had many; a thinner one comes to batches that are not gathered at all. Callers
//!   who each wait for their record to be settled send nothing meanwhile, and so wait for the pause; beside a fast stream
//!   they wait for [`GATHERING_AT_MOST`] at most.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::record::{Partition, Record};

/// Batches of one poller that may be tried at a time, as for a provisioned poller on AWS.
pub const IN_FLIGHT: usize = 5;

/// How long after the last batch one that is not full may leave beside it, also with a shorter window: Lambda's default
/// window. Several small batches at once cost a function more than one.
pub const COMPANY: Duration = Duration::from_millis(500);

/// After a batch of so many records or more, the next one is gathered.
pub const MANY: usize = 30;

/// A batch that is gathered leaves after a pause: a quarter of what the last batch took, but at least this. Where a batch takes
/// long everything does, and records come less often.
pub const QUIET: Duration = Duration::from_millis(5);

/// How long a batch is gathered for each record of the last one.
const GATHERING: Duration = Duration::from_millis(1);

/// The longest a batch is gathered.
pub const GATHERING_AT_MOST: Duration = Duration::from_millis(100);

/// How long after a batch of so many records the next one leaves, whatever comes.
#[must_use]
pub fn gathering(records: usize) -> Duration {
    let records = u32::try_from(records).unwrap_or(u32::MAX);
    GATHERING.saturating_mul(records).min(GATHERING_AT_MOST)
}

/// Counts the times partitions were assigned: what was taken under an earlier assignment is not this one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// What bounds a batch.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most records.
    pub records: usize,
    /// Most bytes of JSON, everything included.
    pub bytes: usize,
    /// What an event takes without records.
    pub overhead: usize,
    /// What each partition in it adds.
    pub partition_overhead: usize,
    /// How long it is filled.
    pub window: Duration,
}

/// Records of one partition, in order and without a gap of the batcher's making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Their partition.
    pub partition: Partition,
    /// The assignment they were taken under.
    pub epoch: Epoch,
    /// The records.
    pub records: Vec<Record>,
}

#[derive(Debug)]
struct Lane {
    epoch: Epoch,
    buffer: VecDeque<Record>,
    bytes: usize,
    /// When its last record came.
    last_came: Option<Instant>,
    out: bool,
}

/// The batcher of one poller.
#[derive(Debug)]
pub struct Batcher {
    limits: Limits,
    lanes: BTreeMap<Partition, Lane>,
    /// Where the next batch begins to look, so that a busy partition does not starve the others.
    turn: Partition,
    /// Batches being tried.
    in_flight: usize,
    /// The partitions whose records are in them. A partition that was revoked stays until its invocation ends.
    invoked: BTreeSet<Partition>,
    window_opened: Instant,
    /// When the last new batch left; a further try of one does not count.
    last_left: Instant,
    /// How many records it had.
    last_size: usize,
    /// From when the newest batch left until none was being tried.
    last_took: Duration,
    epochs: u64,
}

impl Batcher {
    /// A batcher without partitions.
    #[must_use]
    pub fn new(limits: Limits, now: Instant) -> Self {
        let (lanes, invoked) = (BTreeMap::new(), BTreeSet::new());
        Self {
            limits,
            lanes,
            turn: 0,
            in_flight: 0,
            invoked,
            window_opened: now,
            last_left: now,
            last_size: 0,
            last_took: Duration::ZERO,
            epochs: 0,
        }
    }

    /// A partition was assigned.
    pub fn assign(&mut self, partition: Partition) -> Epoch {
        self.epochs += 1;
        let epoch = Epoch(self.epochs);
        self.lanes.insert(partition, Lane { epoch, buffer: VecDeque::new(), bytes: 0, last_came: None, out: false });
        epoch
    }

    /// A partition was taken away: what is buffered of it belongs to another poller now.
    pub fn revoke(&mut self, partition: Partition) {
        self.lanes.remove(&partition);
    }

    /// Whether an assignment still holds.
    #[must_use]
    pub fn is_current(&self, partition: Partition, epoch: Epoch) -> bool {
        self.lanes.get(&partition).is_some_and(|lane| lane.epoch == epoch)
    }

    /// Whether to fetch more of a partition.
    #[must_use]
    pub fn has_room(&self, partition: Partition) -> bool {
        self.lanes
            .get(&partition)
            .is_some_and(|lane| lane.buffer.len() < self.limits.records && lane.bytes < self.limits.bytes)
    }

    /// A record came. One that fits no batch is kept without its JSON: it is passed over in its turn, and `false` says so.
    pub fn push(&mut self, partition: Partition, mut record: Record, now: Instant) -> bool {
        if !self.has_any() {
            self.skip_empty_windows(now);
        }
        let Some(lane) = self.lanes.get_mut(&partition) else { return true };
        let alone = self.limits.overhead + self.limits.partition_overhead + record.json.len();
        let fits = alone <= self.limits.bytes;
        if !fits {
            record.json = Box::default();
        }
        lane.bytes += record.json.len() + 1;
        lane.last_came = Some(now);
        lane.buffer.push_back(record);
        fits
    }

    /// The next batch, when one is due.
    pub fn take(&mut self, now: Instant) -> Option<Vec<Slice>> {
        if !self.has_place() || !(self.is_full() || (self.has_any() && now >= self.window_end())) {
            return None;
        }
        let slices = self.fill();
        let records: usize = slices.iter().map(|slice| slice.records.len()).sum();
        self.last_size = records;
        self.last_left = now;
        self.window_opened = now;
        Some(slices)
    }

    /// When [`Batcher::take`] is due although nothing else happens.
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        (self.has_place() && self.has_any()).then(|| self.window_end())
    }

    /// Whether one more batch may be tried.
    #[must_use]
    pub fn has_place(&self) -> bool {
        self.in_flight < IN_FLIGHT
    }

    /// An invocation with records of these partitions begins: it takes a place.
    pub fn began(&mut self, partitions: impl IntoIterator<Item = Partition>) {
        self.in_flight += 1;
        for partition in partitions {
            let alone = self.invoked.insert(partition);
            debug_assert!(alone, "partition {partition} is in two invocations at once");
        }
    }

    /// That invocation ended: its place is free, whatever becomes of the batch.
    pub fn ended(&mut self, partitions: impl IntoIterator<Item = Partition>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        for partition in partitions {
            self.invoked.remove(&partition);
        }
    }

    /// Whether an invocation with records of a partition is running.
    #[must_use]
    pub fn is_invoked(&self, partition: Partition) -> bool {
        self.invoked.contains(&partition)
    }

    /// The assignment of a partition of which nothing that was taken in is left: neither buffered, nor out.
    #[must_use]
    pub fn is_done_with(&self, partition: Partition) -> Option<Epoch> {
        let lane = self.lanes.get(&partition).filter(|lane| lane.buffer.is_empty() && !lane.out)?;
        (!self.is_invoked(partition)).then_some(lane.epoch)
    }

    /// A partition of a batch is done with.
    pub fn release(&mut self, partition: Partition, epoch: Epoch) {
        if let Some(lane) = self.lanes.get_mut(&partition).filter(|lane| lane.epoch == epoch) {
            lane.out = false;
        }
    }

    /// A batch is done with altogether.
    pub fn returned(&mut self, now: Instant) {
        if self.in_flight == 0 {
            self.last_took = now.saturating_duration_since(self.last_left);
            self.window_opened = now;
        }
    }

    /// The lanes a batch may take records from.
    fn free(&self) -> impl Iterator<Item = &Lane> {
        let lanes = self.lanes.iter().filter(|(partition, lane)| !lane.out && !self.is_invoked(**partition));
        lanes.map(|(_, lane)| lane).filter(|lane| !lane.buffer.is_empty())
    }

    fn has_any(&self) -> bool {
        self.free().next().is_some()
    }

    fn is_full(&self) -> bool {
        let (records, bytes) = self.free().fold((0, self.limits.overhead), |(records, bytes), lane| {
            (records + lane.buffer.len(), bytes + lane.bytes + self.limits.partition_overhead)
        });
        records >= self.limits.records || bytes >= self.limits.bytes
    }

    fn window_end(&self) -> Instant {
        let least = if self.in_flight > 0 {
            self.last_left + COMPANY
        } else if self.last_size >= MANY {
            let last_came = self.free().filter_map(|lane| lane.last_came).max();
            last_came
                .map_or(self.last_left, |came| (came + self.quiet()).min(self.last_left + gathering(self.last_size)))
        } else {
            self.window_opened
        };
        least.max(self.window_opened + self.limits.window)
    }

    fn quiet(&self) -> Duration {
        QUIET.max(self.last_took / 4)
    }

    fn skip_empty_windows(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.window_opened).as_nanos();
        let window = self.limits.window.as_nanos();
        if let Some(into_this_one) = passed.checked_rem(window).and_then(|nanos| u64::try_from(nanos).ok()) {
            self.window_opened = now.checked_sub(Duration::from_nanos(into_this_one)).unwrap_or(now);
        }
    }

    fn fill(&mut self) -> Vec<Slice> {
        let (mut records, mut bytes) = (self.limits.records, self.limits.bytes.saturating_sub(self.limits.overhead));
        let order: Vec<Partition> = self
            .lanes
            .range(self.turn..)
            .chain(self.lanes.range(..self.turn))
            .map(|(partition, _)| *partition)
            .filter(|partition| !self.is_invoked(*partition))
            .collect();
        let mut slices = vec![];
        for partition in order {
            let Some(lane) = self.lanes.get_mut(&partition).filter(|lane| !lane.out && !lane.buffer.is_empty()) else {
                continue;
            };
            let Some(room) = bytes.checked_sub(self.limits.partition_overhead) else { break };
            let taken = lane.take(records, room);
            if taken.is_empty() {
                break;
            }
            records -= taken.len();
            bytes = room - taken.iter().map(|record| record.json.len() + 1).sum::<usize>().min(room);
            slices.push(Slice { partition, epoch: lane.epoch, records: taken });
            self.turn = partition + 1;
            if records == 0 {
                break;
            }
        }
        slices
    }
}

impl Lane {
    fn take(&mut self, most_records: usize, most_bytes: usize) -> Vec<Record> {
        let mut bytes = 0;
        let fitting = self.buffer.iter().take(most_records).take_while(|record| {
            bytes += record.json.len() + 1;
            // The comma after the last record is not written.
            bytes <= most_bytes + 1
        });
        let count = fitting.count();
        let taken: Vec<Record> = self.buffer.drain(..count).collect();
        self.bytes -= taken.iter().map(|record| record.json.len() + 1).sum::<usize>();
        self.out = !taken.is_empty();
        taken
    }
}
