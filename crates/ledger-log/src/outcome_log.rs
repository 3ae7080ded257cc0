//! The port through which outcomes leave the ledger.

mod batch;
mod kafka;

use std::future::Future;
use std::sync::Arc;

use ledger::AccountId;
use tokio::time::Instant;

use crate::Traceparent;

pub use kafka::KafkaOutcomeLog;
pub(crate) use kafka::publish_one;

/// Publishes outcomes, keyed by account.
///
/// Promise: after success every record of the batch but those named stands on every in-sync replica; records of one account
/// in the order of the batch, where no record was too large. After an error any of them may stand there: publish the batch
/// again, consumers know an outcome by its id. Either way the call has ended by its deadline, and nothing of the batch is
/// sent later.
pub trait OutcomeLog: Send + Sync + std::fmt::Debug + 'static {
    /// Publishes all of them, and gives the numbers of those that the brokers will never take, because they are too large.
    fn publish(
        &self,
        records: &[OutcomeRecord],
        until: Instant,
    ) -> impl Future<Output = Result<Vec<usize>, PublishError>> + Send;
}

impl<T: OutcomeLog> OutcomeLog for Arc<T> {
    async fn publish(&self, records: &[OutcomeRecord], until: Instant) -> Result<Vec<usize>, PublishError> {
        (**self).publish(records, until).await
    }
}

/// An outcome as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeRecord {
    /// Nothing for the outcome of a record that names no account.
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
