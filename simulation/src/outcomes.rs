//! A model of the topic of outcomes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use ledger_log::{OutcomeLog, OutcomeRecord, PublishError};
use tokio::time::Instant;

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
    async fn publish(&self, records: &[OutcomeRecord], _until: Instant) -> Result<Vec<usize>, PublishError> {
        let state = &mut *self.state();
        let fails = state.rng.u8(..100) < state.percent;
        let taken = if fails { state.rng.usize(..records.len()) } else { records.len() };
        state.published.extend(records[..taken].iter().map(|record| record.value.clone()));
        let is_told = fails && state.plant != Plant::FailedPublicationUntold;
        if is_told { Err(PublishError::Misconfigured { reason: "simulated".to_owned() }) } else { Ok(Vec::new()) }
    }
}
