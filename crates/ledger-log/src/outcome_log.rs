//! The port through which outcomes leave the ledger.

mod batch;
mod kafka;

use std::sync::Arc;

use futures::future::BoxFuture;
use ledger::AccountId;

use crate::Traceparent;

pub use kafka::KafkaOutcomeLog;
pub(crate) use kafka::publish_one;

/// Publishes outcomes, keyed by account.
///
/// Promise: after success every record of the batch stands on every in-sync replica; records of one account in the order
/// of the batch. After an error any of them may stand there: publish the batch again, consumers know an outcome by its id.
pub trait OutcomeLog: Send + Sync + std::fmt::Debug {
    fn publish<'a>(&'a self, records: &'a [OutcomeRecord]) -> BoxFuture<'a, Result<(), PublishError>>;
}

impl<T: OutcomeLog + ?Sized> OutcomeLog for Arc<T> {
    fn publish<'a>(&'a self, records: &'a [OutcomeRecord]) -> BoxFuture<'a, Result<(), PublishError>> {
        (**self).publish(records)
    }
}

/// An outcome as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeRecord {
    /// Nothing for the outcome of a record whose key names no account.
    pub account: Option<AccountId>,
    pub value: Vec<u8>,
    pub traceparent: Option<Traceparent>,
}

/// Why a batch is not published as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    #[error("{failed} of {records} records of {topic} were not confirmed ({reason})")]
    Unconfirmed { topic: String, failed: usize, records: usize, reason: String },
    #[error("the producer cannot be made ({reason}); check KAFKA_…")]
    Misconfigured { reason: String },
}
