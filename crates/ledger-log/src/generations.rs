//! How often the command topic was created anew.
//!
//! One record per topic in a compacted topic: key = the topic's name, value = `{"generation":1,"partitions":8}`; the last one
//! counts. The number of partitions is the generation's for as long as it lasts, whatever the topic has later.

use std::num::NonZeroU16;
use std::time::Duration;

use ledger::{Generation, Placement, Timestamp};
use serde::{Deserialize, Serialize};

use crate::GENERATIONS;
use crate::cluster::Cluster;
use crate::reader::{ReadError, Reader, StoredRecord};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    generation: Generation,
    partitions: NonZeroU16,
}

/// A generation, and when it began: when its record was stamped. At that moment there is no command topic: the one of the
/// generation before is gone, and its own is created after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    pub placement: Placement,
    /// By the clock that stamps the commands; nothing where the broker keeps the time of whoever writes, as the topic of
    /// an earlier version has it do, and the embedded broker always does: that clock says nothing about commands.
    pub began_at: Option<Timestamp>,
}

/// Why the generation of a topic is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerationError {
    #[error("the generation of the log cannot be read: {reason}")]
    Unavailable { reason: String },
    #[error("{GENERATIONS} has no generation for {topic}")]
    Missing { topic: String },
    #[error("{GENERATIONS} has {value:?} at offset {offset}, which is not a generation")]
    Unreadable { offset: i64, value: String },
}

impl GenerationError {
    /// The number of a generation that is recorded, where the record says no more: as versions before this one wrote it.
    pub fn number_alone(&self) -> Option<Generation> {
        #[derive(Deserialize)]
        struct Number {
            generation: Generation,
        }
        match self {
            Self::Unreadable { value, .. } => serde_json::from_str::<Number>(value).ok().map(|told| told.generation),
            Self::Unavailable { .. } | Self::Missing { .. } => None,
        }
    }
}

/// Reads the generation of a topic and its partitions, within the time-out.
pub(crate) async fn read(
    cluster: Cluster,
    topic: &'static str,
    timeout: Duration,
) -> Result<Placement, GenerationError> {
    Ok(read_beginning(cluster, topic, timeout).await?.placement)
}

/// Reads the generation of a topic and when it began, within the time-out.
pub(crate) async fn read_beginning(
    cluster: Cluster,
    topic: &'static str,
    timeout: Duration,
) -> Result<Beginning, GenerationError> {
    let unavailable = |reason: String| GenerationError::Unavailable { reason };
    let reading = Reader::with(cluster, timeout, |reader| -> Result<Vec<StoredRecord>, ReadError> {
        if reader.partitions(GENERATIONS)?.is_empty() {
            return Ok(Vec::new());
        }
        reader.read(GENERATIONS, 0)
    });
    let records = match reading.await.map_err(|error| unavailable(error.to_string()))? {
        Ok(records) => records,
        Err(ReadError::NoTopic { .. }) => Vec::new(),
        Err(error) => return Err(unavailable(error.to_string())),
    };
    last_of(topic, &records)
}

fn last_of(topic: &str, records: &[StoredRecord]) -> Result<Beginning, GenerationError> {
    let last = records.iter().rfind(|record| record.key.as_deref() == Some(topic.as_bytes()));
    let Some((record, value)) = last.and_then(|record| Some((record, record.value.as_deref()?))) else {
        return Err(GenerationError::Missing { topic: topic.to_owned() });
    };
    match serde_json::from_slice::<Value>(value) {
        Ok(Value { generation: generation @ 1.., partitions }) => Ok(Beginning {
            placement: Placement { generation, partitions },
            began_at: record.recorded_at.filter(|_| record.stamped_by_broker),
        }),
        _ => Err(GenerationError::Unreadable {
            offset: record.offset,
            value: String::from_utf8_lossy(value).into_owned(),
        }),
    }
}

/// The record that says so.
pub(crate) fn value(Placement { generation, partitions }: Placement) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Value { generation, partitions })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64, key: &str, value: Option<&str>) -> StoredRecord {
        StoredRecord {
            partition: 0,
            offset,
            key: Some(key.into()),
            value: value.map(Into::into),
            traceparent: None,
            recorded_at: Some(Timestamp::from_epoch_ms(offset)),
            stamped_by_broker: true,
        }
    }

    fn placement(generation: Generation, partitions: u16) -> Placement {
        Placement { generation, partitions: NonZeroU16::new(partitions).unwrap() }
    }

    #[test]
    fn the_last_record_of_the_topic_counts() {
        let records = [
            record(0, "a", Some(r#"{"generation":1,"partitions":8}"#)),
            record(1, "a", Some(r#"{"generation":2,"partitions":4}"#)),
            record(2, "b", Some(r#"{"generation":9,"partitions":1}"#)),
        ];
        let began_at = Some(Timestamp::from_epoch_ms(1));
        assert_eq!(last_of("a", &records), Ok(Beginning { placement: placement(2, 4), began_at }));
        assert_eq!(last_of("c", &records), Err(GenerationError::Missing { topic: "c".to_owned() }));
    }

    #[test]
    fn what_is_not_a_generation_is_said() {
        for bad in [
            "",
            "7",
            "{}",
            r#"{"generation":1}"#,
            r#"{"generation":0,"partitions":1}"#,
            r#"{"generation":1,"partitions":0}"#,
            r#"{"generation":65536,"partitions":1}"#,
        ] {
            let unreadable = Err(GenerationError::Unreadable { offset: 4, value: bad.to_owned() });
            assert_eq!(last_of("a", &[record(4, "a", Some(bad))]), unreadable, "{bad}");
        }
        assert!(matches!(last_of("a", &[record(4, "a", None)]), Err(GenerationError::Missing { .. })));
    }

    #[test]
    fn a_time_that_the_broker_did_not_give_is_none() {
        let written =
            StoredRecord { stamped_by_broker: false, ..record(0, "a", Some(r#"{"generation":1,"partitions":8}"#)) };
        assert_eq!(last_of("a", &[written]), Ok(Beginning { placement: placement(1, 8), began_at: None }));
    }

    #[test]
    fn a_generation_reads_back() {
        let written = placement(65535, 65535);
        let read = last_of("a", &[record(0, "a", std::str::from_utf8(&value(written).unwrap()).ok())]);
        assert_eq!(read.map(|beginning| beginning.placement), Ok(written));
    }
}
