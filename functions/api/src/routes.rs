//! Which request goes to which handler. `/health` and `/ready` take any query: whoever asks them is a machine that may add
//! one so as to have an answer of now.

use std::borrow::Cow;

use http::{Method, Request, StatusCode};
use lambda_http::Body;
use ledger_log::CommandLog;
use ledger_store::Reading;
use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::answers::{Answer, json, method_not_allowed, not_found, problem};
use crate::door::Door;
use crate::{accounts, readiness, transactions};

/// A read has its future boxed: beside it that of a command is small, and is moved often.
pub(crate) async fn answer<L: CommandLog, R: Reading>(door: &Door<L, R>, request: Request<Body>) -> Answer {
    let path = request.uri().path().to_owned();
    // Decoded after it is cut: an account id may have a ':', which many clients send as %3A.
    let segments: Vec<_> = path.trim_end_matches('/').split('/').skip(1).map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let get = || matches!(*request.method(), Method::GET | Method::HEAD);
    let answered = match segments.as_slice() {
        ["transaction" | "transactions"] if request.method() == Method::POST => {
            transactions::accept(door, request).await
        }
        ["transaction" | "transactions"] => Ok(method_not_allowed("POST")),
        ["transactions", id] if get() => Box::pin(transactions::show(door, &request, id)).await,
        ["accounts", id] if get() => Box::pin(accounts::show(door, &request, id)).await,
        ["accounts", id, "transactions"] if get() => Box::pin(accounts::statement(door, &request, id)).await,
        ["health"] if get() => Ok(json(StatusCode::OK, &json!({"status": "ok"}))),
        ["ready"] if get() => Ok(Box::pin(readiness::show(door)).await),
        ["transactions", _] | ["accounts", _] | ["accounts", _, "transactions"] | ["health"] | ["ready"] => {
            Ok(method_not_allowed("GET, HEAD"))
        }
        _ => Ok(not_found(format!(
            "nothing stands at {path}; there are /transaction, /transactions/{{id}}, /accounts/{{id}}, \
             /accounts/{{id}}/transactions, /health and /ready"
        ))),
    };
    answered.unwrap_or_else(|fault| problem(&fault))
}

fn decoded(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}
