use ledger::Partition;
use rdkafka::admin::{NewTopic, TopicReplication};

/// Consumers of outcomes may be away for so long: seven days. An outcome stays in its account's book for good.
const OUTCOME_RETENTION_MS: &str = "604800000";
const FOR_EVER: &str = "-1";

/// What a topic is told beside its size.
pub(super) struct Settings(Vec<(&'static str, &'static str)>);

pub(super) fn commands(replication_factor: u16) -> Settings {
    Settings(vec![
        ("cleanup.policy", "delete"),
        ("retention.ms", FOR_EVER),
        ("retention.bytes", FOR_EVER),
        // The broker's clock is the one that judges whether a hold has expired.
        ("message.timestamp.type", "LogAppendTime"),
        min_in_sync(replication_factor),
    ])
}

pub(super) fn outcomes(replication_factor: u16) -> Settings {
    Settings(vec![
        ("cleanup.policy", "delete"),
        ("retention.ms", OUTCOME_RETENTION_MS),
        min_in_sync(replication_factor),
    ])
}

pub(super) fn generations(replication_factor: u16) -> Settings {
    Settings(vec![
        ("cleanup.policy", "compact"),
        // When a generation began is held against the times of commands, so the same clock tells both.
        ("message.timestamp.type", "LogAppendTime"),
        min_in_sync(replication_factor),
    ])
}

/// Two where one of three may be away; with fewer replicas, asking for two would stop the ledger when one is away.
const fn min_in_sync(replication_factor: u16) -> (&'static str, &'static str) {
    ("min.insync.replicas", if replication_factor >= 3 { "2" } else { "1" })
}

impl Settings {
    pub(super) fn topic<'a>(&self, name: &'a str, partitions: Partition, replication_factor: u16) -> NewTopic<'a> {
        let replication = TopicReplication::Fixed(replication_factor.into());
        self.0
            .iter()
            .fold(NewTopic::new(name, partitions.into(), replication), |topic, (key, value)| topic.set(key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_replica_of_three_may_be_away() {
        for (replication_factor, least) in [(1, "1"), (2, "1"), (3, "2"), (5, "2")] {
            assert_eq!(min_in_sync(replication_factor), ("min.insync.replicas", least));
        }
    }
}
