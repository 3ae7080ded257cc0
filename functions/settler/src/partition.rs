//! One partition: records to commands, and what became of them to outcomes.

use ledger::{Offset, Position, Timestamp};
use ledger_log::{OutcomeRecord, Traceparent};
use ledger_store::{Applied, AppliedOutcome, DeadLetter, LogRecord, PartitionBatch};
use ledger_wire::answer::{OutcomeBody, UnreadableBody};
use ledger_wire::record::{Place, decode};

use crate::event::{PartitionName, Record};

/// Why a command of a generation that is over is not applied: its id, which the client holds, names another log.
const STALE: &str = "the command was written for a generation of the topic that is over, by an `api` running since before \
                     the topic was created anew; nothing of it was applied";

/// Reads the records; `stale` are the offsets, in order, of those to be set aside under the ids they were accepted by.
pub(crate) fn read(name: &PartitionName, records: &[Record], stale: &[Offset]) -> PartitionBatch {
    let read = |record: &Record| match read_record(name, record) {
        LogRecord::Command(command) if stale.binary_search(&record.offset).is_ok() => {
            LogRecord::Unreadable(dead_letter(record, Some(command.position), STALE.to_owned()))
        }
        read => read,
    };
    PartitionBatch { topic: name.topic.clone(), partition: name.partition, records: records.iter().map(read).collect() }
}

fn read_record(name: &PartitionName, record: &Record) -> LogRecord {
    let place = Place { partition: name.partition, offset: record.offset, recorded_at: recorded_at(record) };
    match decode(place, record.key.as_deref(), record.value.as_deref()) {
        Ok(command) => LogRecord::Command(command),
        Err(unreadable) => LogRecord::Unreadable(dead_letter(record, None, unreadable.to_string())),
    }
}

fn dead_letter(record: &Record, accepted_as: Option<Position>, why: String) -> DeadLetter {
    let (key, value) = (record.key.clone(), record.value.clone());
    DeadLetter { offset: record.offset, recorded_at: recorded_at(record), key, value, accepted_as, why }
}

fn recorded_at(record: &Record) -> Timestamp {
    Timestamp::from_epoch_ms(record.timestamp)
}

/// The outcomes as they are published, each with the trace of its command.
pub(crate) fn outcome_records(
    outcomes: &[AppliedOutcome],
    records: Vec<Record>,
) -> Result<Vec<OutcomeRecord>, serde_json::Error> {
    outcomes.iter().zip(records).map(|(outcome, record)| outcome_record(outcome, record.traceparent)).collect()
}

fn outcome_record(
    outcome: &AppliedOutcome,
    traceparent: Option<Traceparent>,
) -> Result<OutcomeRecord, serde_json::Error> {
    let (account, value) = match &outcome.applied {
        Applied::Settled(settled) => (Some(settled.account.clone()), serde_json::to_vec(&OutcomeBody::from(settled))?),
        Applied::Unreadable(letter) => {
            let position = letter.accepted_as.unwrap_or(outcome.position);
            let body = UnreadableBody::new(position, &letter.why, letter.recorded_at);
            let body = match letter.id(outcome.position) {
                Some(id) => body.of(&id),
                None => body,
            };
            (letter.account(), serde_json::to_vec(&body)?)
        }
    };
    Ok(OutcomeRecord { account, value, traceparent })
}
