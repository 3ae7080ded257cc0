use std::sync::Arc;

use http::Request;
use lambda_http::Body;
use ledger::Timestamp;
use ledger_log::{CommandLog, Traceparent};
use ledger_store::Reading;
use tracing::Instrument as _;

use crate::answers::Answer;
use crate::routes;
use crate::transactions::traceparent;

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

    /// Answers one request. Whatever fails becomes a problem, logged once, where it is made; the span around it says of
    /// which request and which trace.
    pub async fn answer(&self, request: Request<Body>) -> Answer {
        let path = request.uri().path();
        let traceparent = traceparent(request.headers());
        let span = tracing::warn_span!("request", path, traceparent = traceparent.as_ref().map(Traceparent::as_str));
        routes::answer(self, request).instrument(span).await
    }
}
