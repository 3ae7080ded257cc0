//! The log in memory: both ports, for tests of what stands on them.

use std::num::NonZeroU16;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ledger::{Generation, Offset, Partition, Placement, Position, Timestamp};
use ledger_wire::{NewCommand, record};
use tokio::time::Instant;

use crate::stretch::Found;
use crate::{
    AppendError, Appended, CommandLog, CommandReader, OutcomeLog, OutcomeRecord, PublishError, StoredRecord, Stretch,
    StretchError, Traceparent,
};

/// A log that lasts as long as its value. Its clock is the number of commands appended, in milliseconds.
#[derive(Debug)]
pub struct MemoryLog {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    placement: Placement,
    partitions: Vec<Vec<StoredRecord>>,
    outcomes: Vec<OutcomeRecord>,
    append_error: Option<AppendError>,
    publish_error: Option<PublishError>,
    /// The largest outcome it takes, in bytes.
    largest_outcome: usize,
    read_error: Option<StretchError>,
    /// Where each partition begins; the first ones are gone.
    starts: Vec<Offset>,
    /// How often it was read.
    readings: usize,
    /// The most records it gives at once.
    most_records: usize,
}

impl MemoryLog {
    /// Of so many partitions; of one where that is none.
    pub fn new(generation: Generation, partitions: Partition) -> Self {
        let partitions = NonZeroU16::new(partitions).unwrap_or(NonZeroU16::MIN);
        Self {
            state: Mutex::new(State {
                placement: Placement { generation, partitions },
                partitions: vec![Vec::new(); usize::from(partitions.get())],
                outcomes: Vec::new(),
                append_error: None,
                publish_error: None,
                largest_outcome: usize::MAX,
                read_error: None,
                starts: vec![0; usize::from(partitions.get())],
                readings: 0,
                most_records: usize::MAX,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on every append and ping fails so; or succeeds again.
    pub fn fail_appends(&self, error: Option<AppendError>) {
        self.state().append_error = error;
    }

    /// From now on every publication fails so; or succeeds again.
    pub fn fail_publications(&self, error: Option<PublishError>) {
        self.state().publish_error = error;
    }

    /// From now on outcomes of more bytes are too large.
    pub fn take_outcomes_up_to(&self, bytes: usize) {
        self.state().largest_outcome = bytes;
    }

    /// From now on every reading fails so; or succeeds again.
    pub fn fail_readings(&self, error: Option<StretchError>) {
        self.state().read_error = error;
    }

    /// From now on a reading gives so many records at most.
    pub fn read_at_most(&self, records: usize) {
        self.state().most_records = records;
    }

    /// How often a stretch was read.
    pub fn readings(&self) -> usize {
        self.state().readings
    }

    /// Puts a record where it says that it stands, behind all others of its partition. Between them stand the markers of
    /// transactions.
    pub fn place(&self, record: StoredRecord) {
        let mut state = self.state();
        if let Some(partition) = state.partitions.get_mut(record.partition as usize) {
            partition.push(record);
        }
    }

    /// Forgets what stands before an offset of a partition.
    pub fn truncate(&self, partition: Partition, start: Offset) {
        let state = &mut *self.state();
        let (partition, before) = (usize::from(partition), start as i64);
        state.partitions[partition].retain(|record| record.offset >= before);
        state.starts[partition] = start;
    }

    /// The commands in the log, partition by partition.
    pub fn commands(&self) -> Vec<StoredRecord> {
        self.state().partitions.concat()
    }

    /// The outcomes published so far.
    pub fn outcomes(&self) -> Vec<OutcomeRecord> {
        self.state().outcomes.clone()
    }
}

impl State {
    fn append(&mut self, command: &NewCommand, traceparent: Option<&Traceparent>) -> Result<Appended, AppendError> {
        if let Some(error) = &self.append_error {
            return Err(error.clone());
        }
        let recorded_at = Timestamp::from_epoch_ms(self.partitions.iter().map(Vec::len).sum::<usize>() as i64);
        let (placement, account) = (self.placement, &command.account);
        let partition = placement.partition_of(account);
        let records = &mut self.partitions[usize::from(partition)];
        let offset = records.last().map_or(0, |last| last.offset + 1);
        records.push(StoredRecord {
            partition: partition.into(),
            offset,
            key: Some(account.group().into()),
            value: Some(record::encode(command, placement.generation)),
            traceparent: traceparent.map(Traceparent::to_string),
            recorded_at: Some(recorded_at),
            stamped_by_broker: true,
        });
        let position = Position::new(placement.generation, partition, offset as u64)
            .map_err(|error| AppendError::Unavailable { reason: error.to_string() })?;
        Ok(Appended { position, recorded_at: Some(recorded_at) })
    }

    fn publish(&mut self, records: &[OutcomeRecord]) -> Result<Vec<usize>, PublishError> {
        if let Some(error) = &self.publish_error {
            return Err(error.clone());
        }
        let is_too_large = |record: &OutcomeRecord| record.value.len() > self.largest_outcome;
        self.outcomes.extend(records.iter().filter(|record| !is_too_large(record)).cloned());
        Ok((0..records.len()).filter(|number| is_too_large(&records[*number])).collect())
    }

    fn read(&mut self, partition: Partition, offsets: &Range<Offset>) -> Result<Stretch, StretchError> {
        self.readings += 1;
        if let Some(error) = &self.read_error {
            return Err(error.clone());
        }
        let all = self.partitions.get(usize::from(partition)).map_or(&[][..], Vec::as_slice);
        let end = all.last().map_or(0, |last| last.offset + 1);
        let within = |record: &&StoredRecord| offsets.contains(&record.offset.unsigned_abs());
        let records: Vec<_> = all.iter().filter(within).take(self.most_records).cloned().collect();
        let read_to = match records.last() {
            Some(last) if records.len() == self.most_records => last.offset + 1,
            _ => end.min(offsets.end as i64),
        };
        let log_start = self.starts.get(usize::from(partition)).map_or(0, |start| *start as i64);
        Found { records, read_to, met_end: read_to == end, log_start }.judge(partition, offsets)
    }
}

impl CommandLog for MemoryLog {
    async fn append(
        &self,
        commands: &[NewCommand],
        traceparent: Option<&Traceparent>,
    ) -> Vec<Result<Appended, AppendError>> {
        let mut state = self.state();
        commands.iter().map(|command| state.append(command, traceparent)).collect()
    }

    async fn ping(&self) -> Result<(), AppendError> {
        self.state().append_error.clone().map_or(Ok(()), Err)
    }
}

impl OutcomeLog for MemoryLog {
    async fn publish(&self, records: &[OutcomeRecord], _until: Instant) -> Result<Vec<usize>, PublishError> {
        self.state().publish(records)
    }
}

impl CommandReader for MemoryLog {
    async fn read(
        &self,
        partition: Partition,
        offsets: Range<Offset>,
        _until: Instant,
    ) -> Result<Stretch, StretchError> {
        self.state().read(partition, &offsets)
    }
}
