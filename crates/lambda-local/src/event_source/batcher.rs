//! Which records make the next batch, and when: a pure core with the time as an argument.
//!
//! Bounds: per partition no more is buffered than one batch holds ([`Batcher::has_room`] says when to fetch on), and at
//! most [`IN_FLIGHT`] batches are being tried at a time. A batch has at most [`Limits::records`] records of
//! [`Limits::bytes`] of JSON.
//!
//! Promises: records of a partition leave in order; a partition has at most one batch out, and none is taken from it
//! before [`Batcher::release`]; nor is one while an invocation with records of it is still running, be it for an earlier
//! assignment. A batch that waits for its next try keeps its partitions, but no place among those in flight. A batch
//! leaves when it is full, or when the window ends and there is any record. The window opens when a batch leaves, and
//! again when one is done with and no other is being tried; while nothing arrives, windows follow one another, as
//! Lambda's do.
//!
//! A shorter window than Lambda's default is as short as the load allows, since each batch costs a function something,
//! however small it is:
//! - While a batch is being tried, the next one is filled until it is full, until none is being tried, or until [`COMPANY`]
//!   after the last one left. So a lone record waits for nothing but a batch under way.
//! - After a batch of [`MANY`] records, the next one is filled until it is full, until nothing has come for [`QUIET`], or
//!   until [`GATHERING`] after the last one left. Callers who each wait for their record to be settled send nothing
//!   meanwhile, and so wait for [`QUIET`] at most; a stream that never pauses is cut into ten batches a second.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::record::{Partition, Record};

/// Batches of one poller that may be tried at a time, as for a provisioned poller on AWS.
pub const IN_FLIGHT: usize = 5;

/// How long after the last batch one that is not full may leave beside it, also with a shorter window: Lambda's default
/// window. Several small batches at once cost a function more than one.
pub const COMPANY: Duration = Duration::from_millis(500);

/// A batch of so many records or more says that many come.
pub const MANY: usize = 30;

/// Where many come, the next batch leaves when nothing has come for so long.
pub const QUIET: Duration = Duration::from_millis(5);

/// And so long after the last one at the latest, also with a shorter window.
pub const GATHERING: Duration = Duration::from_millis(100);

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
    /// The last batch that left.
    left: Option<Left>,
    /// When the last record came.
    last_came: Instant,
    epochs: u64,
}

/// A batch that has left.
#[derive(Clone, Copy, Debug)]
struct Left {
    at: Instant,
    were_many: bool,
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
            left: None,
            last_came: now,
            epochs: 0,
        }
    }

    /// A partition was assigned.
    pub fn assign(&mut self, partition: Partition) -> Epoch {
        self.epochs += 1;
        let epoch = Epoch(self.epochs);
        self.lanes.insert(partition, Lane { epoch, buffer: VecDeque::new(), bytes: 0, out: false });
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
        self.last_came = now;
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
        self.left = Some(Left { at: now, were_many: records >= MANY });
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
        let window_end = self.window_opened + self.limits.window;
        let least = match self.left {
            Some(left) if self.in_flight > 0 => left.at + COMPANY,
            Some(left) if left.were_many => (left.at + GATHERING).min(self.last_came + QUIET),
            _ => window_end,
        };
        window_end.max(least)
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
