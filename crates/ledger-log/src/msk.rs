//! MSK clusters as AWS's own API tells of them: what a cluster is, where its brokers are, how its topics fare.
//!
//! Nothing here speaks to a broker, so it works from outside the cluster's network, and all of it only reads. An answer
//! about topics is up to a minute old, and AWS gives one only for provisioned clusters from Kafka 3.6 on.
//!
//! Bounds: a call ends within [`ANSWERED_WITHIN`], tries anew included; a list ends after [`MOST_PAGES`] pages. It is a
//! control-plane API with low rate limits, so a function asks once, when it starts.

mod arn;
mod ask_error;
mod cluster_description;
mod nodes;
#[cfg(test)]
pub(crate) mod replay;
#[cfg(test)]
mod tests;
mod topics;
mod ways_in;

use std::error::Error;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_kafka::Client;
use aws_sdk_kafka::config::http::HttpResponse;
use aws_sdk_kafka::error::{ProvideErrorMetadata, SdkError};

pub use arn::{ClusterArn, NotAClusterArn};
use ask_error::Call;
pub use ask_error::{AskError, Obstacle};
pub use cluster_description::{BrokerGroup, ClusterDescription, Encryption, Storage};
pub use nodes::Node;
pub use ways_in::{Authentication, Reach, WayIn};

use crate::TopicHealth;

/// Less than the ten seconds that Lambda gives a function to start.
const ANSWERED_WITHIN: Duration = Duration::from_secs(8);
const MOST_PAGES: usize = 100;

const DESCRIBE_CLUSTER: Call = Call { name: "DescribeClusterV2", allow: "kafka:DescribeClusterV2" };
const GET_BROKERS: Call = Call { name: "GetBootstrapBrokers", allow: "kafka:GetBootstrapBrokers" };
const LIST_NODES: Call = Call { name: "ListNodes", allow: "kafka:ListNodes" };
const DESCRIBE_PARTITIONS: Call = Call {
    name: "DescribeTopicPartitions",
    allow: "kafka-cluster:Connect on the cluster, and kafka-cluster:DescribeTopic and \
            kafka-cluster:DescribeTopicDynamicConfiguration on its topics",
};

/// A cluster that AWS can be asked about.
#[derive(Debug, Clone)]
pub struct MskCluster {
    arn: ClusterArn,
    aws: Client,
}

impl MskCluster {
    /// With the credentials of the process, in the region that the ARN names. Asks nothing yet.
    pub async fn new(arn: &ClusterArn) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(ANSWERED_WITHIN).build();
        let region = Region::new(arn.region().to_owned());
        let aws = aws_config::defaults(BehaviorVersion::latest()).region(region).timeout_config(timeouts).load().await;
        Self { arn: arn.clone(), aws: Client::new(&aws) }
    }

    /// What the cluster is, in what state.
    ///
    /// # Errors
    /// When AWS does not tell.
    pub async fn describe(&self) -> Result<ClusterDescription, AskError> {
        let asked = self.aws.describe_cluster_v2().cluster_arn(self.arn.as_str()).send().await;
        let answer = asked.map_err(|error| self.error(DESCRIBE_CLUSTER, error))?;
        answer
            .cluster_info()
            .map(cluster_description::of)
            .ok_or_else(|| AskError::refused(DESCRIBE_CLUSTER, &self.arn, "the answer is empty".to_owned()))
    }

    /// Where the brokers are, for each way in that the cluster offers.
    ///
    /// # Errors
    /// When AWS does not tell; it has nothing to tell while the cluster is being created.
    pub async fn ways_in(&self) -> Result<Vec<WayIn>, AskError> {
        let asked = self.aws.get_bootstrap_brokers().cluster_arn(self.arn.as_str()).send().await;
        Ok(ways_in::of(&asked.map_err(|error| self.error(GET_BROKERS, error))?))
    }

    /// The brokers of a provisioned cluster, by their number. Those of a serverless one are AWS's own business.
    ///
    /// # Errors
    /// When AWS does not tell.
    pub async fn nodes(&self) -> Result<Vec<Node>, AskError> {
        let mut asking = self.aws.list_nodes().cluster_arn(self.arn.as_str()).into_paginator().send();
        let pages = self.all_pages(LIST_NODES, async || asking.next().await).await?;
        Ok(nodes::of(pages.iter().flat_map(|page| page.node_info_list())))
    }

    /// How the ledger's topics fare, the missing ones too.
    ///
    /// # Errors
    /// When AWS does not tell.
    pub async fn topics_health(&self) -> Result<Vec<TopicHealth>, AskError> {
        let mut topics = Vec::new();
        for topic in crate::TOPICS {
            topics.push(self.topic_health(topic).await?);
        }
        Ok(topics)
    }

    async fn topic_health(&self, topic: &str) -> Result<TopicHealth, AskError> {
        let question = self.aws.describe_topic_partitions().cluster_arn(self.arn.as_str()).topic_name(topic);
        let mut asking = question.into_paginator().send();
        match self.all_pages(DESCRIBE_PARTITIONS, async || asking.next().await).await {
            Ok(pages) => Ok(topics::health(topic, pages.iter().flat_map(|page| page.partitions()))),
            // The cluster is there, or it could not have been asked about its topics.
            Err(error) if error.obstacle == Obstacle::NotThere => Ok(TopicHealth::missing(topic)),
            Err(error) => Err(error),
        }
    }

    async fn all_pages<P, E>(
        &self,
        call: Call,
        mut next: impl AsyncFnMut() -> Option<Result<P, SdkError<E, HttpResponse>>>,
    ) -> Result<Vec<P>, AskError>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let mut pages = Vec::new();
        while let Some(page) = next().await {
            if pages.len() == MOST_PAGES {
                return Err(AskError::refused(call, &self.arn, format!("the list has more than {MOST_PAGES} pages")));
            }
            pages.push(page.map_err(|error| self.error(call, error))?);
        }
        Ok(pages)
    }

    fn error<E>(&self, call: Call, error: SdkError<E, HttpResponse>) -> AskError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        AskError::of(call, &self.arn, &error)
    }
}
