//! A model of the topic of outcomes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use futures::FutureExt;
use futures::future::{self, BoxFuture};
use ledger_log::{OutcomeLog, OutcomeRecord, PublishError};

use crate::world::Plant;

/// Takes some of a batch and fails, now and then.
#[derive(Debug, Clone)]
pub(crate) struct Outcomes(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    published: Vec<Vec<u8>>,
    rng: Rng,
    /// Of a hundred batches, how many fail.
    percent: u8,
    plant: Plant,
}

impl Outcomes {
    pub(crate) fn new(rng: Rng, percent: u8, plant: Plant) -> Self {
        Self(Arc::new(Mutex::new(State { published: Vec::new(), rng, percent, plant })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn heal(&self) {
        self.state().percent = 0;
    }

    pub(crate) fn published(&self) -> Vec<Vec<u8>> {
        self.state().published.clone()
    }
}

impl OutcomeLog for Outcomes {
    fn publish<'a>(&'a self, records: &'a [OutcomeRecord]) -> BoxFuture<'a, Result<(), PublishError>> {
        let state = &mut *self.state();
        let fails = state.rng.u8(..100) < state.percent;
        let taken = if fails { state.rng.usize(..records.len()) } else { records.len() };
        state.published.extend(records[..taken].iter().map(|record| record.value.clone()));
        let failure = PublishError::Misconfigured { reason: "simulated".to_owned() };
        let is_told = fails && state.plant != Plant::FailedPublicationUntold;
        future::ready(if is_told { Err(failure) } else { Ok(()) }).boxed()
    }
}
