//! The command topic as the settler reads it, where it has to look for itself.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use ledger::{Offset, Partition};
use ledger_log::{CommandReader, StoredRecord, Stretch, StretchError};
use tokio::time::Instant;

use crate::log::{Log, PARTITIONS, Record, Slot, Stream};
use crate::world::Plant;

/// What stood in the log when it was last looked at; now and then the brokers do not tell.
#[derive(Debug, Clone)]
pub(crate) struct Commands(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    streams: [Stream; PARTITIONS as usize],
    rng: Rng,
    /// Of a hundred readings, how many fail.
    percent: u8,
    plant: Plant,
}

impl Commands {
    pub(crate) fn new(rng: Rng, percent: u8, plant: Plant) -> Self {
        Self(Arc::new(Mutex::new(State { streams: Default::default(), rng, percent, plant })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn heal(&self) {
        self.state().percent = 0;
    }

    pub(crate) fn look_at(&self, log: &Log) {
        self.state().streams.clone_from(&log.streams);
    }
}

impl CommandReader for Commands {
    async fn read(
        &self,
        partition: Partition,
        offsets: Range<Offset>,
        _until: Instant,
    ) -> Result<Stretch, StretchError> {
        self.state().read(partition, offsets)
    }
}

impl State {
    fn read(&mut self, partition: Partition, offsets: Range<Offset>) -> Result<Stretch, StretchError> {
        if self.rng.u8(..100) < self.percent {
            return Err(StretchError::Unavailable { partition, reason: "simulated".to_owned() });
        }
        let mut stretch = read(&self.streams[usize::from(partition)], partition, offsets.clone())?;
        // Where a bound is met, or the time is up: the rest follows with another reading.
        if self.rng.u8(..5) == 0 && stretch.records.len() > 1 {
            let kept = self.rng.usize(1..stretch.records.len());
            stretch.records.truncate(kept);
            stretch.end = stretch.records.last().map_or(stretch.end, |last| last.offset as Offset + 1);
            let end = stretch.end;
            stretch.voids.retain(|void| void.start < end);
        }
        if self.plant == Plant::GapsTakenForMarkers {
            // All but the last is said to be void.
            let kept = stretch.records.split_off(stretch.records.len().saturating_sub(1));
            let before = kept.first().map_or(offsets.end, |record| record.offset as Offset);
            let void = offsets.start..before;
            stretch = Stretch { records: kept, voids: vec![void], end: stretch.end };
        }
        Ok(stretch)
    }
}

fn read(stream: &Stream, partition: Partition, offsets: Range<Offset>) -> Result<Stretch, StretchError> {
    let (start, end) = (stream.start, stream.end());
    if offsets.start < start {
        return Err(StretchError::Lost { partition, first: offsets.start, start });
    }
    if end < offsets.end {
        return Err(StretchError::NotThere { partition, end });
    }
    let mut stretch = Stretch { records: Vec::new(), voids: Vec::new(), end: offsets.end };
    for (offset, slot) in stream.slots(offsets.start).take_while(|(offset, _)| *offset < offsets.end) {
        match slot {
            Slot::Record(record) => stretch.records.push(stored(partition, offset, record.clone())),
            Slot::Marker => stretch.voids.push(offset..offset + 1),
        }
    }
    Ok(stretch)
}

fn stored(partition: Partition, offset: Offset, Record { key, value, time }: Record) -> StoredRecord {
    StoredRecord {
        partition: partition.into(),
        offset: offset as i64,
        key: Some(key),
        value: Some(value),
        traceparent: None,
        recorded_at: Some(time),
        stamped_by_broker: true,
    }
}
