//! One partition: records to commands, and what became of them to outcomes.

use ledger::{AccountId, Timestamp};
use ledger_log::{OutcomeRecord, Traceparent};
use ledger_store::{Applied, AppliedOutcome, DeadLetter, LogRecord, PartitionBatch};
use ledger_wire::answer::{OutcomeBody, UnreadableBody};
use ledger_wire::record::{Place, decode};

use crate::event::{PartitionName, Record};

/// Reads the records, and keeps their traces aside, in the same order.
pub(crate) fn read(name: &PartitionName, records: Vec<Record>) -> (PartitionBatch, Vec<Option<Traceparent>>) {
    let (records, traces) = records.into_iter().map(|record| read_record(name, record)).unzip();
    (PartitionBatch { topic: name.topic.clone(), partition: name.partition, records }, traces)
}

fn read_record(name: &PartitionName, record: Record) -> (LogRecord, Option<Traceparent>) {
    let Record { offset, timestamp, key, value, traceparent } = record;
    let recorded_at = Timestamp::from_epoch_ms(timestamp);
    let place = Place { partition: name.partition, offset, recorded_at };
    let record = match decode(place, key.as_deref(), value.as_deref()) {
        Ok(command) => LogRecord::Command(command),
        Err(unreadable) => {
            let why = unreadable.to_string();
            LogRecord::Unreadable(DeadLetter { offset, recorded_at, key, value, why })
        }
    };
    (record, traceparent)
}

/// The outcomes as they are published, each with the trace of its command.
pub(crate) fn outcome_records(
    outcomes: &[AppliedOutcome],
    traces: Vec<Option<Traceparent>>,
) -> Result<Vec<OutcomeRecord>, serde_json::Error> {
    outcomes.iter().zip(traces).map(|(outcome, traceparent)| outcome_record(outcome, traceparent)).collect()
}

fn outcome_record(
    outcome: &AppliedOutcome,
    traceparent: Option<Traceparent>,
) -> Result<OutcomeRecord, serde_json::Error> {
    let (account, value) = match &outcome.applied {
        Applied::Settled(settled) => (Some(settled.account.clone()), serde_json::to_vec(&OutcomeBody::from(settled))?),
        Applied::Unreadable(letter) => {
            let body = UnreadableBody::new(outcome.position, &letter.why, letter.recorded_at);
            (account_of(letter), serde_json::to_vec(&body)?)
        }
    };
    Ok(OutcomeRecord { account, value, traceparent })
}

/// The account whose outcomes this one is to be in order with, as far as the key tells.
fn account_of(letter: &DeadLetter) -> Option<AccountId> {
    std::str::from_utf8(letter.key.as_deref()?).ok()?.parse().ok()
}
