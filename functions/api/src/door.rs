use std::sync::Arc;
use std::time::Duration;

use http::Request;
use lambda_http::Body;
use ledger::Timestamp;
use ledger_log::{CommandLog, Traceparent};
use ledger_store::Reading;
use serde_json::value::RawValue;
use tracing::Instrument as _;

use crate::answers::{Answer, problem};
use crate::event::request_of;
use crate::readiness::Readiness;
use crate::routes;
use crate::transactions::traceparent;
use crate::waits::Waits;

/// What the handlers may touch: the log to append to, the accounts to read, the time.
///
/// Promise: accepting a command uses the log alone; whether MongoDB is there shows only in reads.
#[derive(Debug, Clone)]
pub struct Door<L, R> {
    pub(crate) log: L,
    pub(crate) accounts: Arc<R>,
    /// Tells which holds have expired by now; nothing that is written depends on it.
    pub(crate) clock: fn() -> Timestamp,
    pub(crate) waits: Waits,
    pub(crate) readiness: Arc<Readiness>,
}

impl<L: CommandLog, R: Reading> Door<L, R> {
    pub fn new(log: L, accounts: R, clock: fn() -> Timestamp) -> Self {
        Self { log, accounts: Arc::new(accounts), clock, waits: Waits::among(1), readiness: Arc::default() }
    }

    /// The door of an environment that takes so many requests at once; unless told, it takes one.
    #[must_use]
    pub fn taking_at_once(self, requests: usize) -> Self {
        Self { waits: Waits::among(requests), ..self }
    }

    /// A door that is not ready when what it accepted has waited for longer to be settled; unless told, a minute.
    #[must_use]
    pub fn bearing(self, oldest_unsettled: Duration) -> Self {
        Self { readiness: Arc::new(Readiness::bearing(oldest_unsettled)), ..self }
    }

    /// Answers an event, whatever it is. The event is let go once it is read.
    pub async fn answer_event(&self, event: Box<RawValue>) -> Answer {
        let read = request_of(&event);
        drop(event);
        match read {
            Ok(request) => self.answer(request).await,
            Err(fault) => problem(&fault),
        }
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
