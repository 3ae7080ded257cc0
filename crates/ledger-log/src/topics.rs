//! The ledger's topics, for the operator: create, describe, delete, and count the generations.
//!
//! What becomes of the money depends on the commands being kept, in order, with the broker's time. What each topic is told
//! for that stands in one table (`settings`): topics are made by it, and those that are there are judged by it. Every
//! question to the cluster ends within the time-out given.

mod health;
mod settings;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ledger::{Generation, Partition, Placement};
use rdkafka::admin::{AdminClient, AdminOptions, ConfigEntry, ResourceSpecifier};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde::Serialize;

use crate::cluster::{AdministratorError, ClientEvents, Cluster};
use crate::delivery::Outgoing;
use crate::generations::{self, Beginning, GenerationError};
use crate::outcome_log::publish_one;
use crate::reader::{ReadError, Reader};
use crate::{COMMANDS, GENERATIONS, OUTCOMES, PublishError, StoredRecord, TOPICS, TokenError};
pub use health::{PartitionHealth, TopicHealth};
pub use settings::Deviation;

/// How long to wait before looking again whether the cluster has done as it was told.
const PAUSE: Duration = Duration::from_millis(20);

/// How the topics are to be laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateTopics {
    /// Of the command topic and the outcome topic.
    pub partitions: Partition,
    pub replication_factor: u16,
}

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicDescription {
    pub topic: String,
    /// Empty where there is no such topic.
    pub partitions: Vec<PartitionEnd>,
    /// The settings that differ from the broker's own, by name.
    pub settings: BTreeMap<String, String>,
}

/// A setting of a topic as it is.
struct InForce {
    name: String,
    value: String,
    is_default: bool,
}

/// Where a partition begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PartitionEnd {
    pub partition: Partition,
    /// The first offset that is still there.
    pub start: u64,
    /// The offset that the next record gets.
    pub end: u64,
}

/// Why a call about topics failed.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    #[error(transparent)]
    Generation(#[from] GenerationError),
    #[error("the generation was not recorded: {0}")]
    NotRecorded(#[from] PublishError),
    #[error(transparent)]
    NoToken(#[from] TokenError),
    #[error("the brokers at {addresses} did not {action} within {timeout_ms} ms ({reason})")]
    Unavailable { addresses: String, action: String, timeout_ms: u64, reason: String },
    #[error("the brokers will not {action}: {reason}")]
    Refused { action: String, reason: String },
}

/// The ledger's topics on a cluster.
#[derive(Debug, Clone)]
pub struct Topics {
    cluster: Cluster,
    timeout: Duration,
}

impl Topics {
    pub(crate) fn new(cluster: &Cluster, timeout: Duration) -> Self {
        Self { cluster: cluster.clone(), timeout }
    }

    /// Where the partitions of the command topic begin and end; none where there is no such topic.
    pub async fn command_ends(&self) -> Result<Vec<PartitionEnd>, TopicsError> {
        self.ends(COMMANDS).await
    }

    /// The generation that is recorded; nothing where none has begun.
    pub async fn generation(&self) -> Result<Option<Generation>, TopicsError> {
        Ok(self.beginning().await?.map(|beginning| beginning.placement.generation))
    }

    /// The generation that is recorded and when it began; nothing where none has.
    pub async fn beginning(&self) -> Result<Option<Beginning>, TopicsError> {
        match generations::read_beginning(self.cluster.clone(), COMMANDS, self.timeout).await {
            Ok(beginning) => Ok(Some(beginning)),
            Err(GenerationError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Records a generation and its partitions. To be done when the topic of the one before is gone and its own is not there yet: no command
    /// is then ever appended to it under the number before, and the [`Beginning`] tells records of the two logs apart.
    pub async fn begin_generation(&self, placement: Placement, replication_factor: u16) -> Result<(), TopicsError> {
        self.create_missing(&[(GENERATIONS, 1)], replication_factor).await?;
        let value = generations::value(placement).map_err(|fault| TopicsError::Refused {
            action: "record a generation".to_owned(),
            reason: fault.to_string(),
        })?;
        let record = Outgoing { topic: GENERATIONS, partition: None, key: COMMANDS, value: &value, traceparent: None };
        Ok(publish_one(&self.cluster, record, self.timeout).await?)
    }

    /// Creates the command topic and the outcome topic where they are missing; says which.
    pub async fn create(&self, layout: CreateTopics) -> Result<Vec<&'static str>, TopicsError> {
        let CreateTopics { partitions, replication_factor } = layout;
        self.create_missing(&[(COMMANDS, partitions), (OUTCOMES, partitions)], replication_factor).await
    }

    /// Deletes the command topic and the outcome topic. The generations stay, so that the next one is known to be new.
    pub async fn delete(&self) -> Result<(), TopicsError> {
        let action = "delete the topics";
        let deleted = self.admin().await?.delete_topics(&[COMMANDS, OUTCOMES], &self.options()).await;
        for result in deleted.map_err(|error| self.unavailable(action, &error))? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((topic, code)) => {
                    return Err(TopicsError::Refused { action: format!("delete {topic}"), reason: code.to_string() });
                }
            }
        }
        self.wait_until(action, async || {
            Ok(self.ends(COMMANDS).await?.is_empty() && self.ends(OUTCOMES).await?.is_empty())
        })
        .await
    }

    /// Every topic of the ledger, the missing ones too.
    pub async fn describe(&self) -> Result<Vec<TopicDescription>, TopicsError> {
        let mut descriptions = Vec::new();
        for topic in TOPICS {
            let partitions = self.ends(topic).await?;
            let settings = if partitions.is_empty() { Vec::new() } else { self.settings(topic).await? };
            let own = settings.into_iter().filter(|setting| !setting.is_default);
            let settings = own.map(|setting| (setting.name, setting.value)).collect();
            descriptions.push(TopicDescription { topic: topic.to_owned(), partitions, settings });
        }
        Ok(descriptions)
    }

    /// How every topic of the ledger fares, the missing ones too.
    pub async fn health(&self) -> Result<Vec<TopicHealth>, TopicsError> {
        self.with_reader(|reader| TOPICS.into_iter().map(|topic| reader.health(topic)).collect()).await
    }

    /// In what the topics that are there are not as the ledger's promises need them.
    pub async fn deviations(&self) -> Result<Vec<Deviation>, TopicsError> {
        let mut deviations = Vec::new();
        for found in self.health().await?.iter().filter(|found| !found.partitions.is_empty()) {
            let in_force = self.settings_in_force(&found.topic).await?;
            let replication_factor = found.replication_factor() as u16;
            let brokers = self.cluster.addresses();
            deviations.extend(settings::deviations(&found.topic, &in_force, replication_factor, brokers));
        }
        Ok(deviations)
    }

    /// The records of a partition, all of them at once: for small topics, and for tests.
    pub async fn records(&self, topic: &'static str, partition: Partition) -> Result<Vec<StoredRecord>, TopicsError> {
        self.with_reader(move |reader| reader.read(topic, partition.into())).await
    }

    /// The first command at or after an offset of each partition, where it has one.
    pub async fn first_commands(&self, starts: &[(Partition, u64)]) -> Result<Vec<StoredRecord>, TopicsError> {
        let starts: Vec<_> = starts.iter().map(|(partition, offset)| (i32::from(*partition), *offset as i64)).collect();
        self.with_reader(move |reader| reader.first_records(COMMANDS, &starts)).await
    }

    async fn ends(&self, topic: &'static str) -> Result<Vec<PartitionEnd>, TopicsError> {
        self.with_reader(move |reader| reader.ends(topic)).await
    }

    async fn with_reader<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, TopicsError> {
        let reading = Reader::with(self.cluster.clone(), self.timeout, read);
        Ok(reading.await.map_err(|error| self.unavailable("answer", &error))??)
    }

    async fn create_missing(
        &self,
        topics: &[(&'static str, Partition)],
        replication_factor: u16,
    ) -> Result<Vec<&'static str>, TopicsError> {
        let new: Vec<_> = topics
            .iter()
            .map(|(topic, partitions)| settings::new_topic(topic, *partitions, replication_factor))
            .collect();
        let created = self.admin().await?.create_topics(&new, &self.options()).await;
        let mut names = Vec::new();
        for ((topic, ..), result) in
            topics.iter().zip(created.map_err(|error| self.unavailable("create topics", &error))?)
        {
            match result {
                Ok(_) => names.push(*topic),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => {
                    let action = format!("create {topic} with replication factor {replication_factor}");
                    return Err(TopicsError::Refused { action, reason: code.to_string() });
                }
            }
        }
        self.wait_until("show the new topics", async || {
            for (topic, partitions) in topics {
                if self.ends(topic).await?.len() < usize::from(*partitions) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await?;
        Ok(names)
    }

    /// The settings of a topic, the broker's own included.
    pub(crate) async fn settings_in_force(&self, topic: &str) -> Result<BTreeMap<String, String>, TopicsError> {
        let settings = self.settings(topic).await?;
        Ok(settings.into_iter().map(|setting| (setting.name, setting.value)).collect())
    }

    async fn settings(&self, topic: &str) -> Result<Vec<InForce>, TopicsError> {
        let action = format!("describe {topic}");
        let described = self.admin().await?.describe_configs(&[ResourceSpecifier::Topic(topic)], &self.options()).await;
        let mut settings = Vec::new();
        for resource in described.map_err(|error| self.unavailable(&action, &error))? {
            let resource =
                resource.map_err(|code| TopicsError::Refused { action: action.clone(), reason: code.to_string() })?;
            let told = resource.entries.into_iter().filter(|entry| !entry.is_sensitive);
            let in_force = |entry: ConfigEntry| {
                Some(InForce { name: entry.name, value: entry.value?, is_default: entry.is_default })
            };
            settings.extend(told.filter_map(in_force));
        }
        Ok(settings)
    }

    /// Asks again and again until it is so.
    async fn wait_until(
        &self,
        action: &str,
        mut is_so: impl AsyncFnMut() -> Result<bool, TopicsError>,
    ) -> Result<(), TopicsError> {
        let started = Instant::now();
        loop {
            // Right after a change, a partition may have no leader yet.
            let result = is_so().await;
            if matches!(result, Ok(true)) {
                return Ok(());
            }
            if started.elapsed() > self.timeout {
                result?;
                return Err(self.unavailable(action, &KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut)));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn admin(&self) -> Result<AdminClient<ClientEvents>, TopicsError> {
        self.cluster.administrator(self.timeout).await.map_err(|error| match error {
            AdministratorError::Client(error) => self.unavailable("answer", &error),
            AdministratorError::Token(error) => error.into(),
        })
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }

    fn unavailable(&self, action: &str, error: &KafkaError) -> TopicsError {
        TopicsError::Unavailable {
            addresses: self.cluster.addresses().to_owned(),
            action: action.to_owned(),
            timeout_ms: self.timeout.as_millis() as u64,
            reason: error.to_string(),
        }
    }
}
