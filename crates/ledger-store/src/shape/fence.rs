//! `fences`: how far each partition has been applied.
//!
//! ```text
//! { _id: "passbook.commands-3", topic, partition, generation, next_offset, last_recorded_at, began_at }
//! ```

use ledger::Partition;
use mongodb::bson::{DateTime, Document, doc};

use super::fields::{Fields, Malformed};
use crate::fence::Fence;

pub(crate) fn fence_id(topic: &str, partition: Partition) -> String {
    format!("{topic}-{partition}")
}

/// Moves a fence forward, never back; begins it with `generation` where there is none.
pub(crate) fn fence_advance(to: &Fence) -> Document {
    doc! {
        "$max": { "next_offset": next_offset(to), "last_recorded_at": last_recorded_at(to) },
        "$setOnInsert": {
            "topic": &to.topic, "partition": i32::from(to.partition), "generation": i32::from(to.generation),
        },
    }
}

/// Sets a fence as it is, whatever it was.
pub(crate) fn fence_document(fence: &Fence) -> Document {
    doc! {
        "topic": &fence.topic,
        "partition": i32::from(fence.partition),
        "generation": i32::from(fence.generation),
        "next_offset": next_offset(fence),
        "last_recorded_at": last_recorded_at(fence),
        "began_at": began_at(fence),
    }
}

fn next_offset(fence: &Fence) -> i64 {
    i64::try_from(fence.next_offset).unwrap_or(i64::MAX)
}

fn last_recorded_at(fence: &Fence) -> DateTime {
    DateTime::from_millis(fence.last_recorded_at.epoch_ms())
}

fn began_at(fence: &Fence) -> Option<DateTime> {
    fence.began_at.map(|at| DateTime::from_millis(at.epoch_ms()))
}

pub(crate) fn read_fence(fields: Fields<'_>) -> Result<Fence, Malformed> {
    Ok(Fence {
        topic: fields.text("topic")?.to_owned(),
        partition: fields.count("partition")?,
        generation: fields.count("generation")?,
        next_offset: fields.count("next_offset")?,
        last_recorded_at: fields.time("last_recorded_at")?,
        began_at: fields.optional_time("began_at")?,
    })
}
