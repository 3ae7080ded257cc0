//! The port through which commands come into the log.

mod crowd;
mod flights;
mod kafka;
mod known_placement;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ledger::{Position, Timestamp};
use ledger_wire::NewCommand;

use crate::Traceparent;

pub use kafka::KafkaCommandLog;

/// Appends commands.
///
/// Promise: where [`append`](CommandLog::append) gives a position, the command stands there on every in-sync replica. Where
/// it gives an error, [`AppendError::maybe_recorded`] says whether the command may stand in the log all the same. Commands of
/// one account stand in the partition that the generation's [`Placement`](ledger::Placement) gives it, in the order in which
/// they were given.
pub trait CommandLog: Send + Sync + std::fmt::Debug + 'static {
    /// Appends commands, all of one request, and waits for the brokers to confirm them: at most [`PLACEMENT_WITHIN`] and the
    /// append time-out. One result each, in their order.
    fn append(
        &self,
        commands: &[NewCommand],
        traceparent: Option<&Traceparent>,
    ) -> impl Future<Output = Vec<Result<Appended, AppendError>>> + Send;

    /// Asks the brokers whether the topic is there to be written to, each time anew.
    fn ping(&self) -> impl Future<Output = Result<(), AppendError>> + Send;
}

impl<T: CommandLog> CommandLog for Arc<T> {
    async fn append(
        &self,
        commands: &[NewCommand],
        traceparent: Option<&Traceparent>,
    ) -> Vec<Result<Appended, AppendError>> {
        (**self).append(commands, traceparent).await
    }

    async fn ping(&self) -> Result<(), AppendError> {
        (**self).ping().await
    }
}

/// How long an append waits to learn the generation of the log and its partitions: read once and remembered; read again
/// after a failure, or when the topic turns out to be another one.
pub const PLACEMENT_WITHIN: Duration = Duration::from_secs(2);

/// Where a command stands, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub position: Position,
    /// The broker's time, where it tells it.
    pub recorded_at: Option<Timestamp>,
}

/// Why a command has no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error(
        "the log did not confirm the command within {timeout_ms} ms ({reason}); it may have recorded it all the same"
    )]
    Unconfirmed { timeout_ms: u64, reason: String },
    #[error("the log cannot be reached ({reason}); the command was not recorded")]
    Unavailable { reason: String },
    #[error("too many commands wait for the log; this one was not recorded")]
    QueueFull,
    #[error(
        "the command topic was created anew in the meantime; the command was recorded for one that is over, send it again"
    )]
    Recreated,
    #[error("{problem}; {fix}; the command was not recorded")]
    Misconfigured { problem: String, fix: String },
}

impl AppendError {
    /// Whether the command may stand in the log although it has no position.
    pub const fn maybe_recorded(&self) -> bool {
        matches!(self, Self::Unconfirmed { .. } | Self::Recreated)
    }

    /// Whether the same call may succeed a little later, without anybody doing anything about it.
    pub const fn retry_helps(&self) -> bool {
        !matches!(self, Self::Misconfigured { .. })
    }
}
