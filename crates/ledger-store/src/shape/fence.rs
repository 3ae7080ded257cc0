//! `fences`: how far each partition has been applied.
//!
//! ```text
//! { _id: "passbook.commands-3", topic, partition, generation, next_offset, published, voids, last_recorded_at, began_at,
//!   partitions, earlier: [{ generation, applied }, …] }
//! ```

use ledger::{Offset, Partition, Timestamp};
use mongodb::bson::{DateTime, Document, doc};

use super::fields::{Fields, Malformed};
use super::writer::DocumentWriter;
use crate::batch::Published;
use crate::fence::{EarlierGeneration, Fence, FenceMove};

pub(crate) fn fence_id(topic: &str, partition: Partition) -> String {
    format!("{topic}-{partition}")
}

/// Moves a fence forward, never back; begins it where there is none.
pub(crate) fn fence_advance(to: &FenceMove) -> Document {
    doc! {
        "$max": { "next_offset": number(to.next_offset), "last_recorded_at": date(to.last_recorded_at) },
        "$setOnInsert": {
            "topic": &to.topic, "partition": i32::from(to.partition), "generation": i32::from(to.generation),
            "published": 0_i64, "voids": 0_i64, "earlier": [],
        },
    }
}

/// The same of a fence that is there, as one of many updates.
pub(crate) fn write_fence_advance(write: &mut DocumentWriter<'_>, to: &FenceMove) {
    write.document("q").text("_id", &fence_id(&to.topic, to.partition));
    let mut update = write.document("u");
    update.document("$max").count("next_offset", to.next_offset).time("last_recorded_at", to.last_recorded_at);
}

/// An update of a fence of this generation, where it is there.
pub(crate) fn published_mark(mark: &Published) -> Document {
    let fence = doc! { "_id": fence_id(&mark.topic, mark.partition), "generation": i32::from(mark.generation) };
    doc! { "q": fence, "u": { "$max": { "published": number(mark.before) } } }
}

/// Counts offsets without a record that the fence has been moved past.
pub(crate) fn write_voids(write: &mut DocumentWriter<'_>, topic: &str, partition: Partition, voids: u64) {
    write.document("q").text("_id", &fence_id(topic, partition));
    write.document("u").document("$inc").count("voids", voids);
}

/// Sets a fence as it is, whatever it was.
pub(crate) fn fence_document(fence: &Fence) -> Document {
    let earlier = |over: &EarlierGeneration| {
        doc! { "generation": i32::from(over.generation), "applied": number(over.applied) }
    };
    doc! {
        "topic": &fence.topic,
        "partition": i32::from(fence.partition),
        "generation": i32::from(fence.generation),
        "next_offset": number(fence.next_offset),
        "published": number(fence.published),
        "voids": number(fence.voids),
        "last_recorded_at": date(fence.last_recorded_at),
        "began_at": fence.began_at.map(date),
        "partitions": fence.partitions.map(i32::from),
        "earlier": fence.earlier.iter().map(earlier).collect::<Vec<_>>(),
    }
}

fn number(offset: Offset) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

fn date(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.epoch_ms())
}

pub(crate) fn read_fence(fields: Fields<'_>) -> Result<Fence, Malformed> {
    let earlier = |fields: Fields<'_>| {
        Ok(EarlierGeneration { generation: fields.count("generation")?, applied: fields.count("applied")? })
    };
    Ok(Fence {
        topic: fields.text("topic")?.to_owned(),
        partition: fields.count("partition")?,
        generation: fields.count("generation")?,
        next_offset: fields.count("next_offset")?,
        published: fields.count("published")?,
        voids: fields.count("voids")?,
        last_recorded_at: fields.time("last_recorded_at")?,
        began_at: fields.optional_time("began_at")?,
        partitions: fields.optional_count("partitions")?,
        earlier: fields.documents("earlier")?.map(|over| earlier(over?)).collect::<Result<_, Malformed>>()?,
    })
}
