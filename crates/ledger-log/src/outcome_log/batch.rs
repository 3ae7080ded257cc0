use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::Notify;

use crate::delivery::{Delivery, Reports, Undelivered};

/// Counts the reports of records that are sent together; one for all of them.
#[derive(Debug)]
pub(super) struct Batch {
    /// Records without a report.
    open: AtomicUsize,
    failed: AtomicUsize,
    first_error: OnceLock<KafkaError>,
    /// The numbers of those that are too large, for the broker or together with others.
    too_large: Mutex<Vec<usize>>,
    done: Notify,
}

/// What became of a batch whose every record has its report.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    /// How many failed, and the first reason; those that are too large apart.
    pub(super) failed: Option<(usize, KafkaError)>,
    pub(super) too_large: Vec<usize>,
}

/// Goes with a record, and comes back with its report.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) batch: Arc<Batch>,
    /// Which record it is.
    pub(super) number: usize,
}

impl Batch {
    pub(super) fn of(records: usize) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(records),
            failed: AtomicUsize::new(0),
            first_error: OnceLock::new(),
            too_large: Mutex::default(),
            done: Notify::new(),
        })
    }

    pub(super) fn record(&self, number: usize, result: Result<(), KafkaError>) {
        match result {
            Ok(()) => {}
            Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                self.too_large.lock().unwrap_or_else(PoisonError::into_inner).push(number);
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let _ = self.first_error.set(error);
            }
        }
        // Releases what was counted above to whoever sees the last one.
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.done.notify_one();
        }
    }

    /// How many have no report.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Waits for every report; one waiter only.
    pub(super) async fn ended(&self) -> Ended {
        while self.open() > 0 {
            // A notification that came first is kept, so none is missed.
            self.done.notified().await;
        }
        let failed = self.first_error.get().map(|error| (self.failed.load(Ordering::Relaxed), error.clone()));
        let too_large = std::mem::take(&mut *self.too_large.lock().unwrap_or_else(PoisonError::into_inner));
        Ended { failed, too_large }
    }
}

/// Hands each report to its batch.
#[derive(Debug, Default)]
pub(super) struct Batches;

impl Reports for Batches {
    type Ticket = Box<Ticket>;

    fn delivered(&self, ticket: Box<Ticket>, result: Result<Delivery, Undelivered>) {
        ticket.batch.record(ticket.number, result.map(drop).map_err(|undelivered| undelivered.error));
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn error(code: RDKafkaErrorCode) -> Result<(), KafkaError> {
        Err(KafkaError::MessageProduction(code))
    }

    #[test]
    fn a_batch_ends_with_its_last_report() {
        let batch = Batch::of(2);
        let mut ended = Box::pin(batch.ended());
        assert_eq!((&mut ended).now_or_never(), None);
        batch.record(0, Ok(()));
        assert_eq!((&mut ended).now_or_never(), None);
        batch.record(1, Ok(()));
        assert_eq!(ended.now_or_never(), Some(Ended::default()));
    }

    #[test]
    fn a_batch_counts_failures_and_keeps_the_first_reason() {
        let batch = Batch::of(4);
        batch.record(0, error(RDKafkaErrorCode::MessageTimedOut));
        batch.record(1, error(RDKafkaErrorCode::UnknownPartition));
        batch.record(2, Ok(()));
        batch.record(3, error(RDKafkaErrorCode::MessageSizeTooLarge));
        let ended = batch.ended().now_or_never().unwrap();
        let first = KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
        assert_eq!((ended.failed, ended.too_large), (Some((2, first)), vec![3]));
    }

    #[test]
    fn an_empty_batch_has_ended() {
        assert_eq!(Batch::of(0).ended().now_or_never(), Some(Ended::default()));
    }
}
