use ledger::Partition;
use serde::Serialize;

/// How a topic fares: whether each partition has a leader, and all its copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicHealth {
    pub topic: String,
    /// In their order; empty where there is no such topic.
    pub partitions: Vec<PartitionHealth>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionHealth {
    pub partition: Partition,
    /// The broker that takes its records; nothing while none does.
    pub leader: Option<i32>,
    /// The brokers that are to have a copy.
    pub replicas: Vec<i32>,
    /// Those of them that have all of it.
    pub in_sync: Vec<i32>,
}

impl TopicHealth {
    pub(crate) fn new(topic: &str, partitions: impl Iterator<Item = PartitionHealth>) -> Self {
        let mut partitions: Vec<_> = partitions.collect();
        partitions.sort_unstable_by_key(|found| found.partition);
        Self { topic: topic.to_owned(), partitions }
    }

    pub(crate) fn missing(topic: &str) -> Self {
        Self::new(topic, std::iter::empty())
    }

    /// The copies that every partition has to have, at least.
    pub fn replication_factor(&self) -> usize {
        self.partitions.iter().map(|found| found.replicas.len()).min().unwrap_or(0)
    }

    /// What is wrong with it, a line each; nothing where all is well.
    pub fn troubles(&self) -> Vec<String> {
        if self.partitions.is_empty() {
            return vec!["missing".to_owned()];
        }
        self.partitions.iter().flat_map(PartitionHealth::troubles).collect()
    }
}

impl PartitionHealth {
    fn troubles(&self) -> impl Iterator<Item = String> {
        let partition = self.partition;
        let behind: Vec<_> = self.replicas.iter().filter(|replica| !self.in_sync.contains(replica)).collect();
        let behind: Vec<_> = behind.into_iter().map(i32::to_string).collect();
        let leaderless = self.leader.is_none().then(|| format!("partition {partition} has no leader"));
        let lacking = (!behind.is_empty())
            .then(|| format!("partition {partition} is out of sync on broker {}", behind.join(" and ")));
        leaderless.into_iter().chain(lacking)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(leader: Option<i32>, in_sync: &[i32]) -> Vec<String> {
        let partition = PartitionHealth { partition: 4, leader, replicas: vec![1, 2, 3], in_sync: in_sync.to_vec() };
        TopicHealth::new("t", std::iter::once(partition)).troubles()
    }

    #[test]
    fn a_leader_and_every_copy_is_health() {
        assert_eq!(health(Some(1), &[3, 2, 1]), [""; 0]);
        assert_eq!(health(Some(1), &[1, 3]), ["partition 4 is out of sync on broker 2"]);
        assert_eq!(health(None, &[3]), ["partition 4 has no leader", "partition 4 is out of sync on broker 1 and 2"]);
        assert_eq!(TopicHealth::missing("t").troubles(), ["missing"]);
    }
}
