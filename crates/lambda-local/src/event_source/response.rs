//! What a function says about a batch with `ReportBatchItemFailures`, in Kafka's shape:
//! `{"batchItemFailures":[{"itemIdentifier":{"partition":"<topic>-<n>","offset":100}}]}`.
//!
//! Nothing reported (no body, null, no list, an empty list) is success. Anything that is not exactly of this shape, or
//! names what was not in the batch, makes the whole batch failed, as on AWS.

use std::collections::BTreeSet;

use serde_json::Value;

use super::delivery::{Delivery, Outcome};
use super::record::Partition;

/// The outcome a function's answer stands for.
pub(crate) fn outcome(body: &[u8], topic: &str, delivery: &Delivery) -> Outcome {
    match failures(body, topic, delivery) {
        Ok(failures) if failures.is_empty() => Outcome::Success,
        Ok(failures) => Outcome::Failures(failures),
        Err(invalid) => {
            tracing::warn!(
                topic,
                invalid,
                "the function's batchItemFailures are not valid: the whole batch counts as failed"
            );
            Outcome::FunctionError
        }
    }
}

fn failures(body: &[u8], topic: &str, delivery: &Delivery) -> Result<BTreeSet<(Partition, i64)>, &'static str> {
    if body.is_empty() {
        return Ok(BTreeSet::new());
    }
    let answer: Value = serde_json::from_slice(body).map_err(|_| "the answer is not JSON")?;
    let items = match &answer {
        Value::Null => return Ok(BTreeSet::new()),
        Value::Object(answer) => match answer.get("batchItemFailures") {
            None | Some(Value::Null) => return Ok(BTreeSet::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err("batchItemFailures is not a list"),
        },
        _ => return Err("the answer is not an object"),
    };
    items.iter().map(|item| failure(item, topic, delivery)).collect()
}

fn failure(item: &Value, topic: &str, delivery: &Delivery) -> Result<(Partition, i64), &'static str> {
    let identifier =
        item.get("itemIdentifier").and_then(Value::as_object).ok_or("an itemIdentifier is not an object")?;
    let partition = identifier.get("partition").and_then(Value::as_str).ok_or("a partition is not a text")?;
    let offset = identifier.get("offset").and_then(Value::as_i64).ok_or("an offset is not a number")?;
    let number = partition.strip_prefix(topic).and_then(|rest| rest.strip_prefix('-')).and_then(|n| n.parse().ok());
    let number = number.ok_or("a partition is not <topic>-<number>")?;
    if !delivery.contains(number, offset) {
        return Err("a record was not in the batch");
    }
    Ok((number, offset))
}
