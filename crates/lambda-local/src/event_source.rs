//! Kafka event source mappings: consumer groups whose batches become invocations.
//!
//! A mapping has one or more pollers ([`KafkaSource::pollers`](crate::template::KafkaSource)); each is a consumer of the
//! same group, so that Kafka shares the partitions among them, here and across processes. Records become batches
//! ([`batcher`]), a batch is tried until it is settled ([`delivery`]), and only what is settled is committed
//! ([`checkpoint`]): at least once, in order within a partition. When the partitions are shared anew, one changes hands
//! only between two batches ([`handover`]). How one is invoked is an [`Invoker`].
//!
//! A poller that dies, whatever the reason, is started again ([`keeper`]); `/status` and `/health` show it.
//!
//! An event source ends with [`EventSource::stop`]; one that is dropped gives up at once what is in flight.
//!
//! Left out on purpose: filters, destinations, schema registries, scaling by lag. Such a poller keeps trying quietly
//! while the brokers are away.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub mod batcher;
pub mod checkpoint;
mod context;
pub mod delivery;
pub mod handover;
mod headers;
mod invoker;
mod keeper;
pub mod line;
mod message;
mod poller;
mod positions;
mod prepared;
mod progress;
mod record;
pub mod recording;
mod response;
#[cfg(test)]
mod simulation;
mod stop;

pub use invoker::{BadEndpoint, Invoked, Invoker};
pub use record::{Partition, Record};

use positions::Positions;
use prepared::Prepared;
use progress::Progress;
use stop::Stop;

use crate::template::KafkaSource;

/// How long the end of a client is waited for: it leaves its group, and a broker that is away does not answer.
const CLOSING: Duration = Duration::from_secs(5);

/// How the brokers are spoken to.
#[derive(Clone, Debug, Default)]
pub struct KafkaOptions {
    /// librdkafka settings, over this crate's own.
    pub config: Vec<(String, String)>,
    /// The brokers of MSK sources, whose template names only the cluster.
    pub msk_bootstrap_servers: Option<String>,
    /// Retries wait milliseconds instead of seconds.
    pub fast_retry: bool,
}

/// Why an event source cannot be polled.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An MSK source without brokers.
    #[error(
        "event source {source_name} of {function} reads from MSK: say where its brokers are with --msk-bootstrap-servers"
    )]
    NoBrokers {
        /// The function.
        function: String,
        /// The event's name.
        source_name: String,
    },
    /// librdkafka refuses the configuration.
    #[error("event source {source_name} of {function}: {error}; check --kafka-config")]
    Config {
        /// The function.
        function: String,
        /// The event's name.
        source_name: String,
        /// What it says.
        error: Box<rdkafka::error::KafkaError>,
    },
}

/// An event source at work.
#[derive(Debug)]
pub struct EventSource {
    function: String,
    topic: String,
    group: String,
    pollers: Vec<Handle>,
    positions: Arc<Positions>,
    stop: watch::Sender<Stop>,
}

#[derive(Debug)]
struct Handle {
    progress: Arc<Progress>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// An event source as the status page shows it.
#[derive(Clone, Debug, Serialize)]
pub struct EventSourceStatus {
    /// The function it feeds.
    pub function: String,
    /// The topic it reads.
    pub topic: String,
    /// The consumer group it reads as.
    pub group: String,
    /// `joining`, `polling`, `retrying`, `stopped`, or `restarting` when a poller died.
    pub state: &'static str,
    /// How often its pollers died and were started again.
    pub restarts: usize,
    /// `known`, or `unknown` when the brokers did not say within a second where the partitions are.
    pub offsets: &'static str,
    /// The partitions its pollers have.
    pub partitions: Vec<PartitionStatus>,
}

/// How far a partition is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PartitionStatus {
    /// The partition.
    pub partition: Partition,
    /// The next offset the group would read; none before the first commit, or while that is unknown.
    pub committed: Option<i64>,
    /// The next offset that will be written, as far as the broker tells; none while that is unknown.
    pub end: Option<i64>,
}

impl EventSource {
    /// Starts the pollers of event sources, each with its function's name and a way to invoke it: all, or none when one
    /// cannot be polled. That the brokers are away is no reason not to start.
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn start_all<'a>(
        sources: impl IntoIterator<Item = (&'a str, &'a KafkaSource, Invoker)>,
        options: &KafkaOptions,
    ) -> Result<Vec<Self>, StartError> {
        let prepare = |(function, source, invoker): (&'a str, &'a KafkaSource, Invoker)| {
            Prepared::new(function, source, &invoker, options)
        };
        let prepared: Vec<Prepared> = sources.into_iter().map(prepare).collect::<Result<_, _>>()?;
        prepared.into_iter().map(Prepared::start).collect()
    }

    /// Whether every poller has an assignment, be it an empty one. One that died has none until it has joined again.
    #[must_use]
    pub fn has_joined(&self) -> bool {
        self.pollers.iter().all(|poller| poller.progress.has_joined())
    }

    /// Fetches no more, waits no longer than `patience` for what is in flight, commits it, leaves the group, and ends
    /// the clients, which may take [`CLOSING`] more when the brokers are away.
    pub async fn stop(&self, patience: Duration) {
        let _ = self.stop.send(Stop::Finish);
        let take = |poller: &Handle| poller.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut ended = futures::future::join_all(self.pollers.iter().filter_map(take));
        if tokio::time::timeout(patience, &mut ended).await.is_err() {
            if self.running().is_some() {
                tracing::warn!(topic = self.topic, "batches still in flight are given up; they will be read again");
            }
            let _ = self.stop.send(Stop::GiveUp);
            if tokio::time::timeout(CLOSING, ended).await.is_err() {
                tracing::warn!(topic = self.topic, "the brokers did not let a poller leave in time");
            }
        }
        let _ = tokio::time::timeout(CLOSING, self.positions.close()).await;
    }

    /// Gives up what is in flight and ends, for which it is not waited.
    pub(crate) fn give_up(&self) {
        let _ = self.stop.send(Stop::GiveUp);
    }

    /// What it is at, in words.
    pub(crate) fn running(&self) -> Option<String> {
        let batches: usize = self.pollers.iter().map(|poller| poller.progress.in_flight()).sum();
        (batches > 0).then(|| format!("{batches} of topic {} for {}", self.topic, self.function))
    }

    /// Where it stands, asked of the brokers for a second at most.
    pub async fn status(&self) -> EventSourceStatus {
        let numbers: BTreeSet<Partition> =
            self.pollers.iter().flat_map(|poller| poller.progress.partitions()).collect();
        let numbers: Vec<Partition> = numbers.into_iter().collect();
        let known = self.positions.of(&self.topic, &numbers).await;
        let offsets = if known.is_some() { "known" } else { "unknown" };
        let unknown = |partition| PartitionStatus { partition, committed: None, end: None };
        let partitions = known.unwrap_or_else(|| numbers.into_iter().map(unknown).collect());
        let states: Vec<&str> = self.pollers.iter().map(|poller| poller.progress.state()).collect();
        let state = ["restarting", "joining", "retrying", "stopped"].into_iter().find(|state| states.contains(state));
        EventSourceStatus {
            function: self.function.clone(),
            topic: self.topic.clone(),
            group: self.group.clone(),
            state: state.unwrap_or("polling"),
            restarts: self.pollers.iter().map(|poller| poller.progress.deaths()).sum(),
            offsets,
            partitions,
        }
    }
}
