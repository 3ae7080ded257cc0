//! Which request goes to which handler.

use http::{Method, Request, StatusCode};
use lambda_http::Body;
use ledger_store::Reading;
use serde_json::json;

use crate::answers::{Answer, json, method_not_allowed, not_found};
use crate::door::Door;
use crate::{accounts, readiness, transactions};

pub(crate) async fn answer<R: Reading>(door: &Door<R>, request: Request<Body>) -> Answer {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
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
