//! The port through which commands come into the log.

mod kafka;
mod known_generation;

use futures::future::BoxFuture;
use ledger::{AccountId, Generation, Position, Timestamp};

use crate::Traceparent;

pub use kafka::KafkaCommandLog;

/// Appends commands, one at a time and many at once.
///
/// Promise: when [`append`](CommandLog::append) gives a position, the command stands there on every in-sync replica.
/// When it gives an error, [`AppendError::maybe_recorded`] says whether the command may stand in the log all the same.
/// Commands of one account stand in one partition, in the order in which their appends were begun.
pub trait CommandLog: Send + Sync + std::fmt::Debug {
    /// The generation of the command topic, which goes into every record. Read once and remembered; read again after a
    /// failure, or when the topic turns out to be another one.
    fn generation(&self) -> BoxFuture<'_, Result<Generation, AppendError>>;

    /// Asks the brokers whether the topic is there to be written to, each time anew.
    fn ping(&self) -> BoxFuture<'_, Result<(), AppendError>>;

    /// What keeps the log from answering, as far as it is known: for whoever cannot wait for an answer to say it.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Appends a command and waits for the brokers to confirm it, at most for the append time-out.
    fn append<'a>(&'a self, record: NewRecord<'a>) -> BoxFuture<'a, Result<Appended, AppendError>>;
}

/// A command as bytes.
#[derive(Debug, Clone, Copy)]
pub struct NewRecord<'a> {
    pub account: &'a AccountId,
    /// The generation that stands in `value`.
    pub generation: Generation,
    pub value: &'a [u8],
    pub traceparent: Option<&'a Traceparent>,
}

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
