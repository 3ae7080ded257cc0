//! Which request goes to which handler.

use std::borrow::Cow;

use http::{Method, Request, StatusCode};
use lambda_http::Body;
use ledger_store::Reading;
use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::answers::{Answer, json, method_not_allowed, not_found};
use crate::door::Door;
use crate::{accounts, readiness, transactions};

pub(crate) async fn answer<R: Reading>(door: &Door<R>, request: Request<Body>) -> Answer {
    let path = request.uri().path().to_owned();
    // Decoded after it is cut: an account id may have a ':', which many clients send as %3A.
    let segments: Vec<_> = path.trim_end_matches('/').split('/').skip(1).map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let get = || matches!(*request.method(), Method::GET | Method::HEAD);
    match segments.as_slice() {
        ["transaction" | "transactions"] if request.method() == Method::POST => {
            transactions::accept(door, &request).await
        }
        ["transaction" | "transactions"] => method_not_allowed("POST"),
        ["transactions", id] if get() => transactions::show(door, &request, id).await,
        ["accounts", id] if get() => accounts::show(door, id).await,
        ["accounts", id, "transactions"] if get() => accounts::statement(door, &request, id).await,
        ["health"] if get() => json(StatusCode::OK, &json!({"status": "ok"})),
        ["ready"] if get() => readiness::show(door).await,
        ["transactions", _] | ["accounts", _] | ["accounts", _, "transactions"] | ["health"] | ["ready"] => {
            method_not_allowed("GET, HEAD")
        }
        _ => not_found(format!(
            "nothing stands at {path}; there are /transaction, /transactions/{{id}}, /accounts/{{id}}, \
             /accounts/{{id}}/transactions, /health and /ready"
        )),
    }
}

fn decoded(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}
