//! Reads a stretch of a partition for [`CommandReader`](crate::CommandReader).

use std::ops::Range;

use rdkafka::Offset;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;

use super::{ReadError, Reader, stored};
use crate::stretch::{Found, MOST_BYTES, MOST_RECORDS};

impl Reader {
    /// What stands at offsets of a partition: from the first on, until there is enough ([`MOST_RECORDS`], [`MOST_BYTES`]) or
    /// the time is up.
    pub(crate) fn stretch(&self, topic: &str, partition: i32, offsets: &Range<i64>) -> Result<Found, ReadError> {
        let (start, end) = self.bounds(topic, partition)?;
        if !(start..=end).contains(&offsets.start) {
            let read_to = end.min(offsets.start);
            return Ok(Found { records: Vec::new(), read_to, met_end: true, log_start: start });
        }
        let mut found = self.read_stretch(topic, partition, offsets, end)?;
        // The front of the log may have gone while it was read, and what was stepped over with it.
        found.log_start = self.bounds(topic, partition)?.0;
        Ok(found)
    }

    fn read_stretch(
        &self,
        topic: &str,
        partition: i32,
        offsets: &Range<i64>,
        log_end: i64,
    ) -> Result<Found, ReadError> {
        let fail = |error: &KafkaError| self.fail(topic, &format!("{topic}-{partition}"), error);
        self.assign(topic, &[(partition, Offset::Offset(offsets.start))]).map_err(|error| fail(&error))?;
        let mut found = Found { records: Vec::new(), read_to: offsets.start, met_end: false, log_start: 0 };
        let mut bytes = 0;
        let mut ended_before = false;
        // A quarter of the time is for what else has to be asked.
        let left = || (self.timeout * 3 / 4).saturating_sub(self.started.elapsed());
        while found.read_to < offsets.end && found.records.len() < MOST_RECORDS && bytes < MOST_BYTES {
            match self.consumer.poll(left()) {
                // What has been read so far is good.
                None if found.read_to > offsets.start => break,
                None => return Err(fail(&KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut))),
                Some(Ok(message)) if message.offset() >= offsets.end => found.read_to = offsets.end,
                Some(Ok(message)) if message.offset() < found.read_to => {
                    return Err(fail(&KafkaError::MessageConsumption(RDKafkaErrorCode::OffsetOutOfRange)));
                }
                Some(Ok(message)) => {
                    ended_before = false;
                    bytes += message.key_len() + message.payload_len();
                    found.read_to = message.offset() + 1;
                    found.records.push(stored(&message));
                }
                // A broker that has just become the leader may not know yet how far the log goes, and end it early. It says
                // where it ends only once it knows; so what is missing is believed at the second end.
                Some(Err(KafkaError::PartitionEOF(_))) if found.read_to < log_end.min(offsets.end) && !ended_before => {
                    if self.bounds(topic, partition)?.1 < log_end {
                        return Err(fail(&KafkaError::MessageConsumption(RDKafkaErrorCode::NotLeaderForPartition)));
                    }
                    self.assign(topic, &[(partition, Offset::Offset(found.read_to))]).map_err(|error| fail(&error))?;
                    ended_before = true;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    found.read_to = found.read_to.max(log_end).min(offsets.end);
                    found.met_end = true;
                    break;
                }
                // What goes wrong for a while shows in the events; the time that is left decides.
                Some(Err(_)) => {}
            }
        }
        Ok(found)
    }
}
