use std::sync::Arc;

use http::Request;
use lambda_http::Body;
use ledger::Timestamp;
use ledger_log::CommandLog;
use ledger_store::{Reading, StoreError};
use ledger_wire::problem::{Problem, ProblemKind};

use crate::answers::Answer;
use crate::routes;

/// What the handlers may touch: the log to append to, the accounts to read, the time.
///
/// Promise: accepting a command uses the log alone; whether MongoDB is there shows only in reads.
#[derive(Debug, Clone)]
pub struct Door<R> {
    pub(crate) log: Arc<dyn CommandLog>,
    pub(crate) accounts: Arc<R>,
    /// Tells which holds have expired by now; nothing that is written depends on it.
    pub(crate) clock: fn() -> Timestamp,
}

impl<R: Reading> Door<R> {
    pub fn new(log: Arc<dyn CommandLog>, accounts: R, clock: fn() -> Timestamp) -> Self {
        Self { log, accounts: Arc::new(accounts), clock }
    }

    /// Answers one request. Whatever fails becomes a problem, logged here and nowhere else.
    pub async fn answer(&self, request: Request<Body>) -> Answer {
        routes::answer(self, request).await
    }
}

/// The accounts could not be read. A store that is away is for the client to wait for; anything else is for us to look at.
pub(crate) fn read_problem(error: &StoreError) -> Problem {
    if error.retry_helps() {
        tracing::warn!(%error, "accounts could not be read");
        ProblemKind::StoreUnavailable.detail("the accounts cannot be read at the moment; commands are still accepted")
    } else {
        tracing::error!(%error, "accounts could not be read");
        ProblemKind::Internal.detail("the accounts could not be read; the log of this function says why")
    }
}
