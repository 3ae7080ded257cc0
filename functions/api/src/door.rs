use std::sync::Arc;

use http::Request;
use lambda_http::Body;
use ledger::Timestamp;
use ledger_log::CommandLog;
use ledger_store::Reading;

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
