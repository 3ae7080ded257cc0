use std::future::Future;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use ledger::Generation;

use crate::generations::GenerationError;

type Reading = Shared<BoxFuture<'static, Result<Generation, GenerationError>>>;

/// The generation, read when it is first asked for. Whoever asks meanwhile waits for the same reading, so that a log out
/// of reach costs everybody one time-out and not one each; a reading that failed is not remembered.
#[derive(Default)]
pub(super) struct KnownGeneration {
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    #[default]
    Unknown,
    Reading(Reading),
    Known {
        generation: Generation,
        /// The outages that the client had seen when the reading began.
        outages: u64,
    },
}

impl KnownGeneration {
    pub(super) async fn get<F>(&self, outages: u64, read: impl FnOnce() -> F) -> Result<Generation, GenerationError>
    where
        F: Future<Output = Result<Generation, GenerationError>> + Send + 'static,
    {
        let reading = match self.current(outages, read) {
            Ok(generation) => return Ok(generation),
            Err(reading) => reading,
        };
        let result = reading.clone().await;
        self.finish(&reading, &result, outages);
        result
    }

    fn current<F>(&self, now: u64, read: impl FnOnce() -> F) -> Result<Generation, Reading>
    where
        F: Future<Output = Result<Generation, GenerationError>> + Send + 'static,
    {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Known { generation, outages } if *outages == now => Ok(*generation),
            State::Reading(reading) if reading.peek().is_none() => Err(reading.clone()),
            // One that has ended and was never finished is of a time when everybody had given up on it.
            State::Reading(_) | State::Known { .. } | State::Unknown => {
                let reading = read().boxed().shared();
                *state = State::Reading(reading.clone());
                Err(reading)
            }
        }
    }

    fn finish(&self, reading: &Reading, result: &Result<Generation, GenerationError>, outages: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(&*state, State::Reading(current) if current.ptr_eq(reading)) {
            *state = match result {
                Ok(generation) => State::Known { generation: *generation, outages },
                Err(_) => State::Unknown,
            };
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

    fn failure() -> GenerationError {
        GenerationError::Unavailable { reason: "no broker".to_owned() }
    }

    #[tokio::test]
    async fn is_read_once_for_everybody() {
        let (known, readings) = (KnownGeneration::default(), AtomicU16::new(0));
        let read = || {
            readings.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::task::yield_now().await;
                Ok(7)
            }
        };
        let both = tokio::join!(known.get(0, read), known.get(0, read));
        assert_eq!(both, (Ok(7), Ok(7)));
        assert_eq!(known.get(0, read).await, Ok(7));
        assert_eq!(readings.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_failure_is_not_remembered() {
        let known = KnownGeneration::default();
        assert_eq!(known.get(0, || async { Err(failure()) }).await, Err(failure()));
        assert_eq!(known.get(0, || async { Ok(2) }).await, Ok(2));
    }

    #[tokio::test]
    async fn what_a_reading_brought_after_everybody_had_left_is_not_taken() {
        let known = KnownGeneration::default();
        let (answer, late) = futures::channel::oneshot::channel();
        let read = || async { late.await.expect("an answer") };
        let mut first = known.get(0, read).boxed();
        assert!(futures::poll!(&mut first).is_pending());
        let reading = match &*known.state.lock().unwrap() {
            State::Reading(reading) => reading.clone(),
            State::Known { .. } | State::Unknown => panic!("no reading is under way"),
        };
        drop(first);
        answer.send(Ok(1)).unwrap();
        assert_eq!(reading.await, Ok(1));
        assert_eq!(known.get(0, || async { Ok(2) }).await, Ok(2));
    }

    #[tokio::test]
    async fn is_read_again_after_an_outage_and_when_forgotten() {
        let known = KnownGeneration::default();
        assert_eq!(known.get(0, || async { Ok(1) }).await, Ok(1));
        assert_eq!(known.get(1, || async { Ok(2) }).await, Ok(2));
        known.forget();
        assert_eq!(known.get(1, || async { Ok(3) }).await, Ok(3));
    }
}
