//! `GET /ready`: whether what this function needs is there.

use http::StatusCode;
use ledger_store::Reading;
use serde::Serialize;

use crate::answers::{Answer, json};
use crate::budget;
use crate::door::Door;

#[derive(Debug, Serialize)]
struct Readiness {
    /// Without it nothing is accepted.
    log: &'static str,
    /// Without it nothing is read.
    store: &'static str,
}

/// 200 when both answer, 503 when one does not. Load balancers should ask `/health`: commands are accepted without MongoDB.
pub(crate) async fn show<R: Reading>(door: &Door<R>) -> Answer {
    let (log, store) = futures::join!(budget::answers(door.log.ping()), budget::answers(door.accounts.ping()));
    let word = |is_there| if is_there { "ready" } else { "away" };
    let status = if log && store { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &Readiness { log: word(log), store: word(store) })
}
