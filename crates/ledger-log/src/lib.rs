//! The Kafka side of the ledger: appending commands, publishing outcomes, topics and their generations.
//!
//! A [`LogConfig`] is read from the environment and says everything wrong with it at once. A [`Cluster`] is where the
//! brokers are (asked of AWS for an MSK cluster) and how to sign in; it opens the clients, none of which needs a broker
//! to be there when it is made:
//!
//! - [`CommandLog`]: append one command, and learn its position. [`KafkaCommandLog`], and [`MemoryLog`] for tests.
//! - [`OutcomeLog`]: publish a batch of outcomes, all of them or an error. [`KafkaOutcomeLog`], and [`MemoryLog`].
//! - [`CommandReader`]: what stands at offsets of the command topic. [`KafkaCommandReader`], and [`MemoryLog`].
//! - [`Topics`]: create, describe and delete the topics, and count the generations of the command topic.
//!
//! An [`MskCluster`] is what AWS itself tells of a cluster, without any broker being asked.
//!
//! Invariant: nothing is left in a client's queue when a call returns. A Lambda function is frozen between invocations,
//! and what a frozen client has queued would be sent when it thaws, long after its caller was told that it failed.

mod cluster;
mod command_log;
mod config;
mod delivery;
mod generations;
mod memory;
mod msk;
mod outcome_log;
mod reader;
mod stretch;
mod topics;
mod traceparent;

pub use cluster::{Cluster, FindError, TokenError};
pub use command_log::{AppendError, Appended, CommandLog, KafkaCommandLog, PLACEMENT_WITHIN};
pub use config::LogConfig;
pub use generations::{Beginning, GenerationError};
pub use memory::MemoryLog;
pub use msk::{
    AskError, Authentication, BrokerGroup, ClusterArn, ClusterDescription, Encryption, MskCluster, Node,
    NotAClusterArn, Obstacle, Reach, Storage, WayIn,
};
pub use outcome_log::{KafkaOutcomeLog, OutcomeLog, OutcomeRecord, PublishError};
pub use reader::{ReadError, StoredRecord};
pub use stretch::{CommandReader, KafkaCommandReader, Stretch, StretchError};
pub use topics::{
    CreateTopics, Deviation, PartitionEnd, PartitionHealth, TopicDescription, TopicHealth, Topics, TopicsError,
};
pub use traceparent::Traceparent;

/// Where commands stand, keyed by their accounts' placement group.
pub const COMMANDS: &str = ledger::COMMANDS;
/// What became of them, keyed by account.
pub const OUTCOMES: &str = "passbook.outcomes";
/// How often the command topic was created anew, and with how many partitions: compacted, one record per topic,
/// `{"generation":1,"partitions":8}`.
pub const GENERATIONS: &str = "passbook.generations";
/// All of them.
const TOPICS: [&str; 3] = [COMMANDS, OUTCOMES, GENERATIONS];

/// The header that carries a request's trace through the log.
pub const TRACEPARENT: &str = "traceparent";
