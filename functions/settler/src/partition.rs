//! One partition: records to commands, and what became of them to outcomes.

use std::collections::HashMap;

use ledger::{Offset, Timestamp};
use ledger_log::{COMMANDS, OUTCOMES, OutcomeRecord, StoredRecord, Stretch, Traceparent};
use ledger_store::{Applied, AppliedOutcome, Content, LogRecord, PartitionBatch};
use ledger_wire::answer::{OutcomeBody, UnreadableBody};
use ledger_wire::named_account;
use ledger_wire::record::{Place, decode};
use serde::Serialize;

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
            Err(unreadable) => Content::Unreadable {
                why: unreadable.to_string(),
                account: named_account(key.as_deref(), value.as_deref()),
            },
        };
        LogRecord { offset, recorded_at, stamped_by_broker, key, value, content }
    };
    let records = records.into_iter().map(read).collect();
    (PartitionBatch { topic: name.topic.clone(), partition: name.partition, records, voids: Vec::new() }, traces)
}

/// What stands in a stretch of the log, as if it had been delivered; with the offsets at which nothing does.
pub(crate) fn read_stretch(name: &PartitionName, stretch: Stretch) -> (PartitionBatch, Traces) {
    let record = |record: StoredRecord| Record {
        offset: record.offset.unsigned_abs(),
        // Kafka's for a record without a time, which no broker of today writes.
        timestamp: record.recorded_at.map_or(-1, Timestamp::epoch_ms),
        stamped_by_broker: record.stamped_by_broker,
        key: record.key,
        value: record.value,
        traceparent: record.traceparent.and_then(|trace| trace.parse().ok()),
    };
    let (batch, traces) = read(name, stretch.records.into_iter().map(record).collect());
    (PartitionBatch { voids: stretch.voids, ..batch }, traces)
}

/// In the place of outcomes that are too large: which they are, what became of the command, and where to read the rest.
pub(crate) fn stub_records(
    outcomes: &[AppliedOutcome],
    records: &[OutcomeRecord],
    numbers: &[usize],
) -> Result<Vec<OutcomeRecord>, serde_json::Error> {
    let stub = |number: &usize| {
        let (outcome, record) = (&outcomes[*number], &records[*number]);
        let value = serde_json::to_vec(&Stub::of(outcome, record.value.len()))?;
        Ok(OutcomeRecord { value, ..record.clone() })
    };
    numbers.iter().map(stub).collect()
}

/// What stands in `passbook.outcomes` for an outcome that no record of it can hold.
#[derive(Debug, Serialize)]
struct Stub {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    position: String,
    status: &'static str,
    /// Always true: this is not the whole outcome.
    stub: bool,
    detail: String,
}

impl Stub {
    fn of(outcome: &AppliedOutcome, bytes: usize) -> Self {
        let (id, position, status) = match &outcome.applied {
            Applied::Settled(settled) => (Some(settled.id()), outcome.position, settled.entry.line.standing().name()),
            Applied::Unreadable(letter) => {
                (letter.id(outcome.position), letter.accepted_as.unwrap_or(outcome.position), "unreadable")
            }
        };
        let id = id.map(|id| id.to_string());
        let all_of_it = match &id {
            Some(id) => format!("GET /transactions/{id} has all of it"),
            None => format!("the record stands in {COMMANDS}, and in the collection dead_letters"),
        };
        let detail = format!("the outcome has {bytes} bytes, more than {OUTCOMES} takes; {all_of_it}");
        Self { id, position: position.to_string(), status, stub: true, detail }
    }
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
            (letter.account.clone(), serde_json::to_vec(&body)?)
        }
    };
    Ok(OutcomeRecord { account, value, traceparent })
}
