//! One partition: records to commands, and what became of them to outcomes.

use std::collections::HashMap;

use ledger::{Offset, Timestamp};
use ledger_log::{OutcomeRecord, Traceparent};
use ledger_store::{Applied, AppliedOutcome, Content, LogRecord, PartitionBatch};
use ledger_wire::answer::{OutcomeBody, UnreadableBody};
use ledger_wire::record::{Place, decode};

use crate::event::{PartitionName, Record};

/// The traces of the records that have one.
pub(crate) type Traces = HashMap<Offset, Traceparent>;

/// Reads the records, bytes and all; of each the trace is kept beside them.
pub(crate) fn read(name: &PartitionName, records: Vec<Record>) -> (PartitionBatch, Traces) {
    let mut traces = Traces::new();
    let read = |record: Record| {
        let Record { offset, timestamp, stamped_by_broker, key, value, traceparent } = record;
        traces.extend(traceparent.map(|trace| (offset, trace)));
        let recorded_at = Timestamp::from_epoch_ms(timestamp);
        let place = Place { partition: name.partition, offset, recorded_at };
        let content = match decode(place, key.as_deref(), value.as_deref()) {
            Ok(command) => Content::Command(command),
            Err(unreadable) => Content::Unreadable(unreadable.to_string()),
        };
        LogRecord { offset, recorded_at, stamped_by_broker, key, value, content }
    };
    let records = records.into_iter().map(read).collect();
    (PartitionBatch { topic: name.topic.clone(), partition: name.partition, records, voids: Vec::new() }, traces)
}

/// The outcomes as they are published, each with the trace of its command.
pub(crate) fn outcome_records(
    outcomes: &[AppliedOutcome],
    traces: &mut Traces,
) -> Result<Vec<OutcomeRecord>, serde_json::Error> {
    let record = |outcome: &AppliedOutcome| outcome_record(outcome, traces.remove(&outcome.position.offset()));
    outcomes.iter().map(record).collect()
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
