//! The Runtime API of one environment: `next`, `response`, `error` and `init/error`, buffered and streamed.
//!
//! An answer that comes after its time-out is 410 Gone, one to a request this environment never had is 400. A streamed answer
//! may end in trailers that say it came to nothing, which makes it an error. Extensions, SnapStart's `restore/*` and
//! telemetry are not there: 404.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::clock;
use crate::function::{Function, Work};
use crate::http_server::{self, BodyError, Reply, read_body};
use crate::invocation::{Answer, PAYLOAD_LIMIT, parse_request_id, request_id_text, trace_id};
use crate::pool::{EnvironmentId, PollId, Refusal, RequestId};

const PREFIX: &str = "/2018-06-01/runtime/";
const AWS_REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const INVOCATION_ID: HeaderName = HeaderName::from_static("lambda-runtime-invocation-id");
const DEADLINE: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("lambda-runtime-client-context");
const RESPONSE_MODE: HeaderName = HeaderName::from_static("lambda-runtime-function-response-mode");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");
const ERROR_BODY: HeaderName = HeaderName::from_static("lambda-runtime-function-error-body");
const HTTP_INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";

/// The Runtime API as one environment sees it.
#[derive(Clone, Debug)]
pub(crate) struct RuntimeApi {
    function: Arc<Function>,
    environment: EnvironmentId,
}

impl RuntimeApi {
    pub(crate) fn new(function: Arc<Function>, environment: EnvironmentId) -> Self {
        Self { function, environment }
    }

    pub(crate) async fn handle(self, request: Request<Incoming>) -> Reply {
        let (parts, body) = request.into_parts();
        let Some(path) = parts.uri.path().strip_prefix(PREFIX) else {
            return error(StatusCode::NOT_FOUND, "NotFound", "no such path");
        };
        if path == "invocation/next" && parts.method == Method::GET {
            return self.next().await;
        }
        if parts.method != Method::POST {
            return error(StatusCode::NOT_FOUND, "NotFound", "no such path");
        }
        if path == "init/error" {
            return self.init_error(body).await;
        }
        match path.strip_prefix("invocation/").and_then(|rest| rest.split_once('/')) {
            Some((id, "response")) => self.response(id, &parts.headers, body).await,
            Some((id, "error")) => self.error(id, body).await,
            _ => error(StatusCode::NOT_FOUND, "NotFound", "no such path"),
        }
    }

    async fn next(&self) -> Reply {
        let Some((poll, work)) = self.function.poll(self.environment) else {
            return error(
                StatusCode::FORBIDDEN,
                "InvalidStateTransition",
                "Transition is not allowed from Invoking to Ready",
            );
        };
        // Dropped before `work`: a call that is given up is out of the books before its other end disappears.
        let lost = LostPoll { function: &self.function, poll };
        let outcome = work.await;
        std::mem::forget(lost);
        match outcome {
            Ok(work) => event(work, &self.function.arn),
            // The books keep the other end for as long as this call is open: a failure of this program, if ever.
            Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "Runtime.Unknown", "the call for work was lost"),
        }
    }

    async fn response(&self, id: &str, headers: &HeaderMap, body: Incoming) -> Reply {
        let Some(request) = parse_request_id(id) else { return unknown_request() };
        let streamed = match headers.get(RESPONSE_MODE).map(HeaderValue::as_bytes) {
            None => false,
            Some(b"streaming") => true,
            Some(_) => return error(StatusCode::BAD_REQUEST, "InvalidFunctionResponseMode", "not a response mode"),
        };
        let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let has_http_prelude = kind.starts_with(HTTP_INTEGRATION.as_bytes());
        let limit = if streamed { self.function.stream_limit(request) } else { PAYLOAD_LIMIT };
        match read_body(body, limit).await {
            Ok((payload, trailers)) => {
                let success = || Answer { has_http_prelude, ..Answer::success(payload) };
                self.settle(request, broken_off(&trailers).unwrap_or_else(success))
            }
            Err(BodyError::TooLarge) => self.too_large(request, limit),
            Err(_) => error(StatusCode::BAD_REQUEST, "InvalidResponse", "the body ended early"),
        }
    }

    fn too_large(&self, request: RequestId, limit: usize) -> Reply {
        let message = format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).");
        let _ = self.settle(request, Answer::platform_error("Function.ResponseSizeTooLarge", &message));
        let message = format!("Exceeded maximum allowed payload size ({limit} bytes).");
        error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
    }

    async fn error(&self, id: &str, body: Incoming) -> Reply {
        let Some(request) = parse_request_id(id) else { return unknown_request() };
        match read_body(body, PAYLOAD_LIMIT).await {
            Ok((described, _)) => self.settle(request, Answer::failure(described)),
            Err(BodyError::TooLarge) => self.too_large(request, PAYLOAD_LIMIT),
            Err(_) => error(StatusCode::BAD_REQUEST, "InvalidResponse", "the body ended early"),
        }
    }

    async fn init_error(&self, body: Incoming) -> Reply {
        if let Ok((described, _)) = read_body(body, PAYLOAD_LIMIT).await {
            self.function.init_failed(self.environment, described);
        }
        accepted()
    }

    fn settle(&self, request: RequestId, answer: Answer) -> Reply {
        match self.function.answered(self.environment, request, answer) {
            Ok(()) => accepted(),
            Err(Refusal::Stale) => error(StatusCode::GONE, "InvocationTimedOut", "the invocation has ended before"),
            Err(Refusal::Unknown) => unknown_request(),
        }
    }
}

struct LostPoll<'a> {
    function: &'a Function,
    poll: PollId,
}

impl Drop for LostPoll<'_> {
    fn drop(&mut self) {
        self.function.poll_lost(self.poll);
    }
}

/// What a streamed answer says of its own end, when that is an error: its type, and its description in base64.
fn broken_off(trailers: &HeaderMap) -> Option<Answer> {
    let error_type = trailers.get(ERROR_TYPE)?.to_str().unwrap_or("Runtime.Unknown");
    let described = trailers.get(ERROR_BODY).and_then(|body| STANDARD.decode(body.as_bytes()).ok());
    let described = described.filter(|body| serde_json::from_slice::<IgnoredAny>(body).is_ok());
    Some(match described {
        Some(described) => Answer::failure(described.into()),
        None => Answer::platform_error(error_type, "the function broke off its answer"),
    })
}

fn event(work: Work, arn: &HeaderValue) -> Reply {
    let id = request_id_text(work.request);
    let trace_id = work.trace_id.or_else(|| HeaderValue::try_from(trace_id(work.request, clock::epoch_ms())).ok());
    let mut reply = Response::new(work.payload.into());
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(AWS_REQUEST_ID, id.clone());
        headers.insert(INVOCATION_ID, id);
    }
    headers.insert(DEADLINE, HeaderValue::from(work.deadline_ms));
    headers.insert(FUNCTION_ARN, arn.clone());
    headers.extend(trace_id.map(|trace_id| (TRACE_ID, trace_id)));
    headers.extend(work.client_context.map(|context| (CLIENT_CONTEXT, context)));
    reply
}

fn accepted() -> Reply {
    http_server::json(StatusCode::ACCEPTED, Bytes::from_static(br#"{"status":"OK"}"#))
}

fn unknown_request() -> Reply {
    error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
}

fn error(status: StatusCode, error_type: &str, message: &str) -> Reply {
    http_server::json(status, json!({"errorMessage": message, "errorType": error_type}).to_string())
}
