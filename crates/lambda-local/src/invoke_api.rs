//! The Invoke API, `POST /2015-03-31/functions/<name>/invocations`, as the AWS command line, the SDKs and
//! `cargo lambda invoke` call it: RequestResponse, Event and DryRun.
//!
//! A function's error is status 200 with `X-Amz-Function-Error`. A client context is read before it is handed on
//! ([`client_context`]), and goes with RequestResponse alone, as on AWS. Not served: streaming invocation, versions and
//! aliases (any qualifier is `$LATEST`, in the name and as a parameter of the query).

use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hyper::body::Incoming;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::function::Function;
use crate::http_server::{self, BodyError, Held, Reply, read_body_into};
use crate::invocation::{Answer, Invocation, PAYLOAD_LIMIT, Refused};
use crate::local::Shared;
use crate::pool::RequestId;
use crate::template::NAME_PATTERN;

mod asynchronous;
mod client_context;

pub(crate) use asynchronous::AsyncQueue;

const ASYNC_PAYLOAD_LIMIT: usize = 1024 * 1024;

const INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
const LOG_TYPE: HeaderName = HeaderName::from_static("x-amz-log-type");
pub(crate) const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("x-amz-client-context");
pub(crate) const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
pub(crate) const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");
pub(crate) const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
pub(crate) const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Answers an Invoke request for a function.
pub(crate) async fn handle(
    function: &Arc<Function>,
    shared: &Shared,
    id: RequestId,
    parts: &Parts,
    body: Incoming,
) -> Reply {
    let kind = parts.headers.get(INVOCATION_TYPE).map_or("RequestResponse", |kind| kind.to_str().unwrap_or("?"));
    let limit = if kind == "Event" { ASYNC_PAYLOAD_LIMIT } else { PAYLOAD_LIMIT };
    // What is held of the room is held until the answer is there, or an event is done with.
    let (payload, held) = match read_body_into(&shared.room, body, limit).await {
        Ok((payload, held)) if payload.is_empty() => (Bytes::from_static(b"{}"), held),
        Ok(read) => read,
        Err(error) => return no_body(error, limit),
    };
    if let Err(problem) = serde_json::from_slice::<IgnoredAny>(&payload) {
        return not_json(&problem.to_string());
    }
    let invocation = invocation(&parts.headers, payload);
    match kind {
        "RequestResponse" => synchronous(function, id, &parts.headers, invocation).await,
        "Event" => asynchronous(function, &shared.asynchronous, id, invocation, held),
        "DryRun" => http_server::empty(StatusCode::NO_CONTENT),
        other => {
            let message = format!("X-Amz-Invocation-Type {other:?} is not RequestResponse, Event or DryRun");
            error(StatusCode::BAD_REQUEST, "InvalidParameterValueException", &message)
        }
    }
}

fn invocation(headers: &HeaderMap, payload: Bytes) -> Invocation {
    Invocation {
        trace_id: headers.get(TRACE_ID).cloned(),
        wants_log: headers.get(LOG_TYPE).is_some_and(|kind| kind == "Tail"),
        ..Invocation::of(payload)
    }
}

async fn synchronous(function: &Arc<Function>, id: RequestId, headers: &HeaderMap, asked: Invocation) -> Reply {
    let client_context = match headers.get(CLIENT_CONTEXT).map(client_context::read).transpose() {
        Ok(client_context) => client_context,
        Err(invalid) => {
            return error(StatusCode::BAD_REQUEST, "InvalidRequestContentException", &invalid.to_string());
        }
    };
    let trace_id = asked.trace_id.clone();
    let answer = match function.invoke(id, Invocation { client_context, ..asked }).await {
        Ok(answer) => answer,
        Err(refused) => return refusal(refused),
    };
    let Answer { payload, error, log, .. } = answer;
    let mut reply = http_server::json(StatusCode::OK, payload);
    let headers = reply.headers_mut();
    headers.insert(EXECUTED_VERSION, HeaderValue::from_static("$LATEST"));
    headers.extend(trace_id.map(|id| (TRACE_ID, id)));
    headers.extend(error.map(|error| (FUNCTION_ERROR, HeaderValue::from_static(error))));
    let log = log.map(|log| base64::engine::general_purpose::STANDARD.encode(log));
    headers.extend(log.and_then(|log| HeaderValue::try_from(log).ok()).map(|log| (LOG_RESULT, log)));
    reply
}

fn asynchronous(
    function: &Arc<Function>,
    queue: &AsyncQueue,
    id: RequestId,
    invocation: Invocation,
    held: Held,
) -> Reply {
    match queue.accept(function, id, invocation, held) {
        Ok(()) => http_server::empty(StatusCode::ACCEPTED),
        Err(refused) => refusal(refused),
    }
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

fn no_body(problem: BodyError, limit: usize) -> Reply {
    match problem {
        BodyError::TooLarge => {
            let message = format!("Request must be smaller than {limit} bytes for the InvokeFunction operation");
            error(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &message)
        }
        BodyError::Broken => not_json("the body ended early"),
        BodyError::Slow => error(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", "The body did not come in time"),
        BodyError::NoRoom => refusal(Refused::Throttled),
    }
}

fn not_json(problem: &str) -> Reply {
    let message = format!("Could not parse request body into json: {problem}");
    error(StatusCode::BAD_REQUEST, "InvalidRequestContentException", &message)
}

/// 404 for a name no function has.
pub(crate) fn not_found(name: &str) -> Reply {
    error(StatusCode::NOT_FOUND, "ResourceNotFoundException", &format!("Function not found: {name}"))
}

/// 400 for what no function can be called.
pub(crate) fn no_name(name: &str) -> Reply {
    let message = format!(
        "1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: {NAME_PATTERN}"
    );
    error(StatusCode::BAD_REQUEST, "ValidationException", &message)
}

/// An error of the service, not of the function.
pub(crate) fn error(status: StatusCode, error_type: &'static str, message: &str) -> Reply {
    let mut reply = http_server::json(status, json!({"Type": "User", "Message": message}).to_string());
    reply.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(error_type));
    reply
}
