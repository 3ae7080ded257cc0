//! The log in memory: both ports, for tests of what stands on them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{self, BoxFuture};
use ledger::{Generation, Partition, Position, Timestamp};

use crate::{
    AppendError, Appended, CommandLog, NewRecord, OutcomeLog, OutcomeRecord, PublishError, StoredRecord, Traceparent,
};

/// A log that lasts as long as its value. Its clock is the number of commands appended, in milliseconds.
#[derive(Debug)]
pub struct MemoryLog {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    generation: Generation,
    partitions: Vec<Vec<StoredRecord>>,
    outcomes: Vec<OutcomeRecord>,
    append_error: Option<AppendError>,
    publish_error: Option<PublishError>,
}

impl MemoryLog {
    pub fn new(generation: Generation, partitions: Partition) -> Self {
        Self {
            state: Mutex::new(State {
                generation,
                partitions: vec![Vec::new(); usize::from(partitions.max(1))],
                outcomes: Vec::new(),
                append_error: None,
                publish_error: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on every append, ping and question for the generation fails so; or succeeds again.
    pub fn fail_appends(&self, error: Option<AppendError>) {
        self.state().append_error = error;
    }

    /// From now on every publication fails so; or succeeds again.
    pub fn fail_publications(&self, error: Option<PublishError>) {
        self.state().publish_error = error;
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
    fn append(&mut self, record: NewRecord<'_>) -> Result<Appended, AppendError> {
        if let Some(error) = &self.append_error {
            return Err(error.clone());
        }
        let recorded_at = Timestamp::from_epoch_ms(self.partitions.iter().map(Vec::len).sum::<usize>() as i64);
        let partition = partition_of(record.account.as_str(), self.partitions.len());
        let records = &mut self.partitions[partition];
        let offset = records.len();
        records.push(StoredRecord {
            partition: partition as i32,
            offset: offset as i64,
            key: Some(record.account.as_str().into()),
            value: Some(record.value.to_vec()),
            traceparent: record.traceparent.map(Traceparent::to_string),
            recorded_at: Some(recorded_at),
            stamped_by_broker: true,
        });
        let position = Position::new(record.generation, partition as Partition, offset as u64)
            .map_err(|error| AppendError::Unavailable { reason: error.to_string() })?;
        Ok(Appended { position, recorded_at: Some(recorded_at) })
    }
}

/// Any function of the account will do.
fn partition_of(account: &str, partitions: usize) -> usize {
    account.bytes().fold(0usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())) % partitions
}

impl CommandLog for MemoryLog {
    fn generation(&self) -> BoxFuture<'_, Result<Generation, AppendError>> {
        let state = self.state();
        future::ready(state.append_error.clone().map_or(Ok(state.generation), Err)).boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), AppendError>> {
        self.generation().map(|known| known.map(drop)).boxed()
    }

    fn append<'a>(&'a self, record: NewRecord<'a>) -> BoxFuture<'a, Result<Appended, AppendError>> {
        future::ready(self.state().append(record)).boxed()
    }
}

impl OutcomeLog for MemoryLog {
    fn publish<'a>(&'a self, records: &'a [OutcomeRecord]) -> BoxFuture<'a, Result<(), PublishError>> {
        let mut state = self.state();
        let result = match &state.publish_error {
            Some(error) => Err(error.clone()),
            None => {
                state.outcomes.extend_from_slice(records);
                Ok(())
            }
        };
        future::ready(result).boxed()
    }
}
