use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rdkafka::error::KafkaError;
use tokio::sync::Notify;

use crate::delivery::{Delivery, Reports};

/// Counts the reports of a batch; one for all its records.
#[derive(Debug)]
pub(super) struct Batch {
    /// Records without a report.
    open: AtomicUsize,
    failed: AtomicUsize,
    first_error: OnceLock<KafkaError>,
    done: Notify,
}

impl Batch {
    pub(super) fn of(records: usize) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(records),
            failed: AtomicUsize::new(0),
            first_error: OnceLock::new(),
            done: Notify::new(),
        })
    }

    pub(super) fn record(&self, result: Result<(), KafkaError>) {
        if let Err(error) = result {
            self.failed.fetch_add(1, Ordering::Relaxed);
            let _ = self.first_error.set(error);
        }
        // Releases what was counted above to whoever sees the last one.
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.done.notify_one();
        }
    }

    /// Waits for every report; one waiter only. Nothing on success, else how many failed and the first reason.
    pub(super) async fn finished(&self) -> Option<(usize, KafkaError)> {
        while self.open.load(Ordering::Acquire) > 0 {
            // A notification that came first is kept, so none is missed.
            self.done.notified().await;
        }
        let error = self.first_error.get()?;
        Some((self.failed.load(Ordering::Relaxed), error.clone()))
    }
}

/// Hands each report to its batch.
#[derive(Debug, Default)]
pub(super) struct Batches;

impl Reports for Batches {
    type Ticket = Arc<Batch>;

    fn delivered(&self, batch: Arc<Batch>, result: Result<Delivery, KafkaError>) {
        batch.record(result.map(drop));
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use rdkafka::error::RDKafkaErrorCode;

    use super::*;

    #[test]
    fn a_batch_ends_with_its_last_report() {
        let batch = Batch::of(2);
        let mut finished = Box::pin(batch.finished());
        assert_eq!((&mut finished).now_or_never(), None);
        batch.record(Ok(()));
        assert_eq!((&mut finished).now_or_never(), None);
        batch.record(Ok(()));
        assert_eq!(finished.now_or_never(), Some(None));
    }

    #[test]
    fn a_batch_counts_failures_and_keeps_the_first_reason() {
        let batch = Batch::of(3);
        let error = |code| Err(KafkaError::MessageProduction(code));
        batch.record(error(RDKafkaErrorCode::MessageTimedOut));
        batch.record(error(RDKafkaErrorCode::UnknownPartition));
        batch.record(Ok(()));
        let first = KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
        assert_eq!(batch.finished().now_or_never(), Some(Some((2, first))));
    }

    #[test]
    fn an_empty_batch_has_ended() {
        assert_eq!(Batch::of(0).finished().now_or_never(), Some(None));
    }
}
