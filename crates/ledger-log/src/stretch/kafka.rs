use std::ops::Range;
use std::time::Duration;

use ledger::{Offset, Partition};
use tokio::time::Instant;

use super::{CommandReader, Stretch, StretchError};
use crate::COMMANDS;
use crate::cluster::Cluster;
use crate::reader::Reader;
use crate::topics::Topics;

/// Less than this is no time to open a client in.
const SHORTEST: Duration = Duration::from_millis(200);
const POLICY: &str = "cleanup.policy";

/// Reads the command topic of a Kafka cluster. It opens a client for each reading and closes it, so that nothing goes on
/// when a function is frozen.
#[derive(Debug)]
pub struct KafkaCommandReader {
    cluster: Cluster,
}

impl KafkaCommandReader {
    pub(crate) const fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    async fn read_until(
        &self,
        partition: Partition,
        offsets: Range<Offset>,
        until: Instant,
    ) -> Result<Stretch, StretchError> {
        let unavailable = |reason: String| StretchError::Unavailable { partition, reason };
        let no_time = || unavailable("there is no time left".to_owned());
        let wanted = offsets.start as i64..offsets.end as i64;
        let reading = Reader::with(self.cluster.clone(), left(until).ok_or_else(no_time)?, move |reader| {
            reader.stretch(COMMANDS, partition.into(), &wanted)
        });
        let found = reading.await.map_err(|error| unavailable(error.to_string()))?;
        let found = found.map_err(|error| unavailable(error.to_string()))?;
        let stretch = found.judge(partition, &offsets)?;
        let Some(void) = stretch.voids.first() else { return Ok(stretch) };
        let topics = Topics::new(&self.cluster, left(until).ok_or_else(no_time)?);
        let settings = topics.settings_in_force(COMMANDS).await.map_err(|error| unavailable(error.to_string()))?;
        match settings.get(POLICY).map(String::as_str) {
            Some("delete") => Ok(stretch),
            Some(policy) => Err(StretchError::NotKept { partition, first: void.start, policy: policy.to_owned() }),
            None => Err(unavailable(format!("the brokers do not tell {POLICY} of {COMMANDS}"))),
        }
    }
}

fn left(until: Instant) -> Option<Duration> {
    Some(until.saturating_duration_since(Instant::now())).filter(|left| *left >= SHORTEST)
}

impl CommandReader for KafkaCommandReader {
    async fn read(
        &self,
        partition: Partition,
        offsets: Range<Offset>,
        until: Instant,
    ) -> Result<Stretch, StretchError> {
        self.read_until(partition, offsets, until).await
    }
}
