//! The event of a Kafka trigger, self-managed and MSK alike.
//!
//! Only what settling needs is read; keys and values are decoded as they are read, so nothing is held twice. The brokers'
//! names, the ARN, a record's own topic and partition (they stand in the name of its list) and other headers are skipped.

mod base64;
mod headers;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use ledger::{Generation, Offset, Partition};
use ledger_log::Traceparent;
use ledger_store::Published;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// Records by partition, in the order of the event.
#[derive(Debug, Deserialize)]
pub struct KafkaEvent {
    #[serde(deserialize_with = "by_partition")]
    pub records: Vec<PartitionRecords>,
}

#[derive(Debug)]
pub struct PartitionRecords {
    pub name: PartitionName,
    pub records: Vec<Record>,
}

/// A partition as Lambda names it: `<topic>-<partition>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionName {
    pub topic: String,
    pub partition: Partition,
}

impl PartitionName {
    /// Says that every outcome of the partition before an offset is published.
    pub(crate) fn published(&self, generation: Generation, before: Offset) -> Published {
        Published { topic: self.topic.clone(), partition: self.partition, generation, before }
    }
}

#[derive(Debug, Deserialize)]
pub struct Record {
    pub offset: Offset,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Whether that is the broker's own time (`LOG_APPEND_TIME`), or its writer's.
    #[serde(default, rename = "timestampType", deserialize_with = "is_log_append_time")]
    pub stamped_by_broker: bool,
    #[serde(default, deserialize_with = "base64::optional")]
    pub key: Option<Vec<u8>>,
    #[serde(default, deserialize_with = "base64::optional")]
    pub value: Option<Vec<u8>>,
    #[serde(default, rename = "headers", deserialize_with = "headers::traceparent")]
    pub traceparent: Option<Traceparent>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not <topic>-<partition>")]
pub struct InvalidPartitionName(String);

impl FromStr for PartitionName {
    type Err = InvalidPartitionName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.rsplit_once('-')
            .filter(|(topic, _)| !topic.is_empty())
            .and_then(|(topic, partition)| Some(Self { topic: topic.to_owned(), partition: partition.parse().ok()? }))
            .ok_or_else(|| InvalidPartitionName(text.to_owned()))
    }
}

impl fmt::Display for PartitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

fn is_log_append_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<Cow<'_, str>>::deserialize(deserializer)?.is_some_and(|kind| kind == "LOG_APPEND_TIME"))
}

fn by_partition<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PartitionRecords>, D::Error> {
    struct ByPartition;
    impl<'de> Visitor<'de> for ByPartition {
        type Value = Vec<PartitionRecords>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("lists of records by <topic>-<partition>")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut partitions = Vec::new();
            while let Some((name, records)) = map.next_entry::<String, Vec<Record>>()? {
                let name = name.parse().map_err(serde::de::Error::custom)?;
                partitions.push(PartitionRecords { name, records });
            }
            Ok(partitions)
        }
    }
    deserializer.deserialize_map(ByPartition)
}

#[cfg(test)]
mod tests;
