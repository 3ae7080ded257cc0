use std::future::Future;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use ledger::Placement;
use tokio::time::Instant;

use super::PLACEMENT_WITHIN;
use crate::generations::GenerationError;

type Reading = Shared<BoxFuture<'static, Result<Placement, GenerationError>>>;

/// The generation and its partitions, read when they are first asked for. Whoever asks meanwhile waits for the same reading, so that a log out
/// of reach costs everybody one time-out and not one each; a reading that failed is not remembered.
#[derive(Default)]
pub(super) struct KnownPlacement {
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    #[default]
    Unknown,
    Reading {
        reading: Reading,
        /// The outages that the client had seen when the reading began.
        outages: u64,
        began: Instant,
    },
    Known {
        placement: Placement,
        /// The outages that the client had seen when the reading of it began.
        outages: u64,
    },
}

impl KnownPlacement {
    pub(super) async fn get<F>(&self, outages: u64, read: impl FnOnce() -> F) -> Result<Placement, GenerationError>
    where
        F: Future<Output = Result<Placement, GenerationError>> + Send + 'static,
    {
        let reading = match self.current(outages, read) {
            Ok(placement) => return Ok(placement),
            Err(reading) => reading,
        };
        let result = reading.clone().await;
        self.finish(&reading, &result);
        result
    }

    fn current<F>(&self, now: u64, read: impl FnOnce() -> F) -> Result<Placement, Reading>
    where
        F: Future<Output = Result<Placement, GenerationError>> + Send + 'static,
    {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Known { placement, outages } if *outages == now => Ok(*placement),
            State::Reading { reading, outages, began }
                if reading.peek().is_none() && *outages == now && began.elapsed() < PLACEMENT_WITHIN =>
            {
                Err(reading.clone())
            }
            // One that is older, or has ended and was never finished, is of a time when everybody had given up on it: an
            // environment may have been frozen since, and the topic created anew.
            State::Reading { .. } | State::Known { .. } | State::Unknown => {
                let reading = read().boxed().shared();
                *state = State::Reading { reading: reading.clone(), outages: now, began: Instant::now() };
                Err(reading)
            }
        }
    }

    fn finish(&self, reading: &Reading, result: &Result<Placement, GenerationError>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Reading { reading: current, outages, .. } if current.ptr_eq(reading) => {
                *state = match result {
                    Ok(placement) => State::Known { placement: *placement, outages: *outages },
                    Err(_) => State::Unknown,
                };
            }
            _ => {}
        }
    }

    pub(super) fn forget(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Unknown;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU16, Ordering};

    use super::*;

    fn placement(generation: u16) -> Placement {
        Placement { generation, partitions: std::num::NonZeroU16::MIN }
    }

    fn failure() -> GenerationError {
        GenerationError::Unavailable { reason: "no broker".to_owned() }
    }

    #[tokio::test]
    async fn is_read_once_for_everybody() {
        let (known, readings) = (KnownPlacement::default(), AtomicU16::new(0));
        let read = || {
            readings.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::task::yield_now().await;
                Ok(placement(7))
            }
        };
        let both = tokio::join!(known.get(0, read), known.get(0, read));
        assert_eq!(both, (Ok(placement(7)), Ok(placement(7))));
        assert_eq!(known.get(0, read).await, Ok(placement(7)));
        assert_eq!(readings.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_failure_is_not_remembered() {
        let known = KnownPlacement::default();
        assert_eq!(known.get(0, || async { Err(failure()) }).await, Err(failure()));
        assert_eq!(known.get(0, || async { Ok(placement(2)) }).await, Ok(placement(2)));
    }

    #[tokio::test]
    async fn what_a_reading_brought_after_everybody_had_left_is_not_taken() {
        let known = KnownPlacement::default();
        let (answer, late) = futures::channel::oneshot::channel();
        let read = || async { late.await.expect("an answer") };
        let mut first = known.get(0, read).boxed();
        assert!(futures::poll!(&mut first).is_pending());
        let reading = match &*known.state.lock().unwrap() {
            State::Reading { reading, .. } => reading.clone(),
            State::Known { .. } | State::Unknown => panic!("no reading is under way"),
        };
        drop(first);
        answer.send(Ok(placement(1))).unwrap();
        assert_eq!(reading.await, Ok(placement(1)));
        assert_eq!(known.get(0, || async { Ok(placement(2)) }).await, Ok(placement(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_that_nobody_waited_for_is_not_joined_later() {
        let (known, (answer, late)) = (KnownPlacement::default(), futures::channel::oneshot::channel());
        let mut first = known.get(0, || async { late.await.expect("an answer") }).boxed();
        assert!(futures::poll!(&mut first).is_pending());
        drop(first);
        // The answer came when everybody had left, and the environment was frozen.
        answer.send(Ok(placement(1))).unwrap();
        tokio::time::advance(PLACEMENT_WITHIN).await;
        assert_eq!(known.get(0, || async { Ok(placement(2)) }).await, Ok(placement(2)));
    }

    #[tokio::test]
    async fn is_read_again_after_an_outage_and_when_forgotten() {
        let known = KnownPlacement::default();
        assert_eq!(known.get(0, || async { Ok(placement(1)) }).await, Ok(placement(1)));
        assert_eq!(known.get(1, || async { Ok(placement(2)) }).await, Ok(placement(2)));
        known.forget();
        assert_eq!(known.get(1, || async { Ok(placement(3)) }).await, Ok(placement(3)));
    }
}
