//! What a delivery did, as one line of CloudWatch's embedded metric format.
//!
//! CloudWatch reads the line from the function's log and makes metrics of it; whoever reads the log on a laptop can too. One
//! line a delivery, whatever it carries. Names of accounts and amounts stand in none. The dimension is `FunctionName`, so
//! that two stacks in one account stay apart; a reason of refusal is part of a metric's name and not a dimension, since a
//! line has one value for each dimension and a delivery has many reasons. There are as many as `ledger` has refusals.
//!
//! What is said at deliveries is not said where nothing is delivered: an idle log says nothing, and neither does one whose
//! event source is gone. The alarms of template.yaml ask the event source's own metrics, too.
//!
//! Specification: "Specification: Embedded metric format", Amazon CloudWatch User Guide.

use std::collections::BTreeMap;
use std::time::Duration;

use ledger::{Line, Timestamp};
use ledger_store::{Applied, AppliedOutcome};
use serde_json::{Map, Value, json};

const NAMESPACE: &str = "Passbook";
const DIMENSION: &str = "FunctionName";

/// What became of the partitions of a delivery.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Metrics {
    settled: u64,
    refused: BTreeMap<&'static str, u64>,
    unreadable: u64,
    redelivered: u64,
    failing: u64,
    /// Outcomes published as stubs.
    too_large: u64,
    /// Records settled that the event source had left out.
    skipped: u64,
    /// Outcomes of earlier deliveries that are not known to be published.
    unpublished: u64,
    /// Of those, how many never will be: their commands are gone from the log.
    lost: u64,
    /// When the oldest record was accepted that had not been settled when the delivery came.
    oldest_unsettled: Option<Timestamp>,
}

impl Metrics {
    /// Of a partition whose records, with these times, are to be delivered again.
    pub(crate) fn of_failed(recorded_at: &[Timestamp]) -> Self {
        Self { failing: 1, oldest_unsettled: recorded_at.iter().copied().min(), ..Self::default() }
    }

    /// Of a partition whose records, with these times, all have an outcome.
    pub(crate) fn of_settled(outcomes: &[AppliedOutcome], recorded_at: &[Timestamp]) -> Self {
        let new = outcomes.iter().zip(recorded_at).filter(|(outcome, _)| !outcome.redelivered);
        let mut metrics = Self { oldest_unsettled: new.map(|(_, at)| *at).min(), ..Self::default() };
        outcomes.iter().for_each(|outcome| metrics.count(outcome));
        metrics
    }

    #[must_use]
    pub(crate) fn with_too_large(self, too_large: u64) -> Self {
        Self { too_large, ..self }
    }

    #[must_use]
    pub(crate) fn with_skipped(self, skipped: u64) -> Self {
        Self { skipped, ..self }
    }

    #[must_use]
    pub(crate) fn with_missed(self, unpublished: u64, lost: u64) -> Self {
        Self { unpublished, lost, ..self }
    }

    pub(crate) fn sum(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(Self::default(), Self::plus)
    }

    #[must_use]
    pub(crate) fn plus(mut self, other: Self) -> Self {
        self.settled += other.settled;
        self.unreadable += other.unreadable;
        self.redelivered += other.redelivered;
        self.failing += other.failing;
        self.too_large += other.too_large;
        self.skipped += other.skipped;
        self.unpublished += other.unpublished;
        self.lost += other.lost;
        for (reason, count) in other.refused {
            *self.refused.entry(reason).or_default() += count;
        }
        self.oldest_unsettled = self.oldest_unsettled.into_iter().chain(other.oldest_unsettled).min();
        self
    }

    fn count(&mut self, outcome: &AppliedOutcome) {
        if outcome.redelivered {
            self.redelivered += 1;
            return;
        }
        self.settled += 1;
        match &outcome.applied {
            Applied::Unreadable(_) => self.unreadable += 1,
            Applied::Settled(settled) => {
                if let Line::Refused { refusal, .. } = &settled.entry.line {
                    *self.refused.entry(refusal.reason()).or_default() += 1;
                }
            }
        }
    }

    /// The line: a JSON object without a newline. `now` is when the delivery came, `took` how long settling it took.
    pub fn line(&self, function: &str, now: Timestamp, took: Duration) -> String {
        let age = self.oldest_unsettled.map_or(0, |at| now.epoch_ms().saturating_sub(at.epoch_ms()).max(0));
        let mut metrics = vec![
            ("Settled".to_owned(), "Count", json!(self.settled)),
            ("Refused".to_owned(), "Count", json!(self.refused.values().sum::<u64>())),
            ("Unreadable".to_owned(), "Count", json!(self.unreadable)),
            ("Redelivered".to_owned(), "Count", json!(self.redelivered)),
            ("PartitionsFailing".to_owned(), "Count", json!(self.failing)),
            ("OutcomesTooLarge".to_owned(), "Count", json!(self.too_large)),
            ("SkippedByEventSource".to_owned(), "Count", json!(self.skipped)),
            ("OutcomesUnpublished".to_owned(), "Count", json!(self.unpublished)),
            ("OutcomesLost".to_owned(), "Count", json!(self.lost)),
            ("OldestUnsettledAge".to_owned(), "Milliseconds", json!(age)),
            ("SettleDuration".to_owned(), "Milliseconds", json!(took.as_millis() as u64)),
        ];
        metrics.extend(self.refused.iter().map(|(reason, count)| (format!("Refused.{reason}"), "Count", json!(count))));
        embedded(function, now, metrics)
    }
}

fn embedded(function: &str, now: Timestamp, metrics: Vec<(String, &str, Value)>) -> String {
    let definitions: Vec<Value> = metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut root = Map::new();
    root.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now.epoch_ms(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [[DIMENSION]],
                "Metrics": definitions,
            }],
        }),
    );
    root.insert(DIMENSION.to_owned(), json!(function));
    root.extend(metrics.into_iter().map(|(name, _, value)| (name, value)));
    Value::Object(root).to_string()
}

#[cfg(test)]
mod tests;
