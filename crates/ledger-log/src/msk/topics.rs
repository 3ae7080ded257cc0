use aws_sdk_kafka::types::TopicPartitionInfo;

use crate::{PartitionHealth, TopicHealth};

pub(super) fn health<'a>(topic: &str, partitions: impl Iterator<Item = &'a TopicPartitionInfo>) -> TopicHealth {
    TopicHealth::new(topic, partitions.filter_map(partition_health))
}

/// What has no number is no partition.
fn partition_health(partition: &TopicPartitionInfo) -> Option<PartitionHealth> {
    Some(PartitionHealth {
        partition: partition.partition()?.try_into().ok()?,
        leader: partition.leader().filter(|leader| *leader >= 0),
        replicas: partition.replicas().to_vec(),
        in_sync: partition.isr().to_vec(),
    })
}
