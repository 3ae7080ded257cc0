//! The Invoke API, `POST /2015-03-31/functions/<name>/invocations`, as the AWS command line, the SDKs and
//! `cargo lambda invoke` call it: RequestResponse, Event and DryRun.
//!
//! A function's error is status 200 with `X-Amz-Function-Error`. Not served: streaming invocation, versions and aliases
//! (any qualifier is `$LATEST`).

use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hyper::body::Incoming;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::function::Function;
use crate::http_server::{self, BodyError, Reply, read_body};
use crate::invocation::{Answer, Invocation, PAYLOAD_LIMIT, Refused, request_id_text};

mod asynchronous;

pub(crate) use asynchronous::AsyncQueue;

const ASYNC_PAYLOAD_LIMIT: usize = 1024 * 1024;

const INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
const LOG_TYPE: HeaderName = HeaderName::from_static("x-amz-log-type");
pub(crate) const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("x-amz-client-context");
pub(crate) const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
pub(crate) const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");
pub(crate) const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Answers an Invoke request for a function.
pub(crate) async fn handle(function: &Arc<Function>, queue: &AsyncQueue, parts: &Parts, body: Incoming) -> Reply {
    let kind = parts.headers.get(INVOCATION_TYPE).map_or("RequestResponse", |kind| kind.to_str().unwrap_or("?"));
    let limit = if kind == "Event" { ASYNC_PAYLOAD_LIMIT } else { PAYLOAD_LIMIT };
    let payload = match read_body(body, limit).await {
        Ok(payload) if payload.is_empty() => Bytes::from_static(b"{}"),
        Ok(payload) => payload,
        Err(BodyError::TooLarge) => return too_large(limit),
        Err(BodyError::Broken) => return not_json("the body ended early"),
    };
    if let Err(problem) = serde_json::from_slice::<IgnoredAny>(&payload) {
        return not_json(&problem.to_string());
    }
    match kind {
        "RequestResponse" => synchronous(function, invocation(&parts.headers, payload)).await,
        "Event" => asynchronous(function, queue, invocation(&parts.headers, payload)),
        "DryRun" => http_server::text(StatusCode::NO_CONTENT, ""),
        other => {
            let message = format!("X-Amz-Invocation-Type {other:?} is not RequestResponse, Event or DryRun");
            error(StatusCode::BAD_REQUEST, "InvalidParameterValueException", &message)
        }
    }
}

fn invocation(headers: &HeaderMap, payload: Bytes) -> Invocation {
    let client_context = headers.get(CLIENT_CONTEXT).and_then(|value| {
        let decoded = base64::engine::general_purpose::STANDARD.decode(value.as_bytes()).ok()?;
        HeaderValue::from_bytes(&decoded).ok()
    });
    Invocation {
        trace_id: headers.get(TRACE_ID).cloned(),
        client_context,
        wants_log: headers.get(LOG_TYPE).is_some_and(|kind| kind == "Tail"),
        ..Invocation::of(payload)
    }
}

async fn synchronous(function: &Arc<Function>, invocation: Invocation) -> Reply {
    let request = Function::new_request_id();
    let answer = match function.invoke(request, invocation).await {
        Ok(answer) => answer,
        Err(refused) => return refusal(refused),
    };
    let Answer { payload, error, log, .. } = answer;
    let mut reply = http_server::json(StatusCode::OK, payload);
    let headers = reply.headers_mut();
    headers.insert(EXECUTED_VERSION, HeaderValue::from_static("$LATEST"));
    headers.extend(HeaderValue::try_from(request_id_text(request)).ok().map(|id| (REQUEST_ID, id)));
    headers.extend(error.map(|error| (FUNCTION_ERROR, HeaderValue::from_static(error))));
    let log = log.map(|log| base64::engine::general_purpose::STANDARD.encode(log));
    headers.extend(log.and_then(|log| HeaderValue::try_from(log).ok()).map(|log| (LOG_RESULT, log)));
    reply
}

fn asynchronous(function: &Arc<Function>, queue: &AsyncQueue, invocation: Invocation) -> Reply {
    if let Err(refused) = queue.accept(function, invocation) {
        return refusal(refused);
    }
    let mut reply = http_server::text(StatusCode::ACCEPTED, "");
    reply.headers_mut().remove(header::CONTENT_TYPE);
    reply
}

/// 429 or 503, as AWS words them.
pub(crate) fn refusal(refused: Refused) -> Reply {
    match refused {
        Refused::Throttled => {
            let reason = "ReservedFunctionConcurrentInvocationLimitExceeded";
            let body = json!({"Reason": reason, "Type": "User", "message": "Rate Exceeded."});
            let mut reply = http_server::json(StatusCode::TOO_MANY_REQUESTS, body.to_string());
            reply.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static("TooManyRequestsException"));
            reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            reply
        }
        Refused::Stopping => {
            let mut reply =
                error(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", "lambda-local is stopping");
            reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            reply
        }
    }
}

/// 413: more than Lambda takes.
pub(crate) fn too_large(limit: usize) -> Reply {
    let message = format!("Request must be smaller than {limit} bytes for the InvokeFunction operation");
    error(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &message)
}

fn not_json(problem: &str) -> Reply {
    let message = format!("Could not parse request body into json: {problem}");
    error(StatusCode::BAD_REQUEST, "InvalidRequestContentException", &message)
}

/// 404 for a name no function has.
pub(crate) fn not_found(name: &str) -> Reply {
    error(StatusCode::NOT_FOUND, "ResourceNotFoundException", &format!("Function not found: {name}"))
}

/// An error of the service, not of the function.
pub(crate) fn error(status: StatusCode, error_type: &'static str, message: &str) -> Reply {
    let mut reply = http_server::json(status, json!({"Type": "User", "Message": message}).to_string());
    reply.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(error_type));
    reply
}
