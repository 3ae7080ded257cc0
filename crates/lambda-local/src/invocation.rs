//! One invocation, as every way in (Invoke API, function URL, event source) hands it to a function, and what comes back.

use bytes::Bytes;
use http::HeaderValue;
use serde_json::json;

use crate::pool::RequestId;

/// Most bytes of a synchronous invocation's payload, in and out, as Lambda's own emulator counts them.
pub const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024 + 100;

/// Most bytes of an answer that is streamed to its caller.
pub const STREAM_LIMIT: usize = 200 * 1024 * 1024;

/// What a caller hands in.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The event: JSON.
    pub payload: Bytes,
    /// `X-Amzn-Trace-Id`, handed on; made up when absent.
    pub trace_id: Option<HeaderValue>,
    /// `X-Amz-Client-Context`, handed on.
    pub client_context: Option<HeaderValue>,
    /// Whether the caller wants the end of the log.
    pub wants_log: bool,
    /// Most bytes of a streamed answer: for a caller who takes no stream, as many as of any other.
    pub stream_limit: usize,
}

impl Invocation {
    /// An invocation with nothing but a payload.
    #[must_use]
    pub fn of(payload: Bytes) -> Self {
        Self { payload, trace_id: None, client_context: None, wants_log: false, stream_limit: PAYLOAD_LIMIT }
    }
}

/// What a function made of an invocation. A function's error is an answer too: it reached the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The function's answer, or the description of its error.
    pub payload: Bytes,
    /// `X-Amz-Function-Error`: present when the function failed.
    pub error: Option<&'static str>,
    /// The answer carries a prelude (`application/vnd.awslambda.http-integration-response`).
    pub has_http_prelude: bool,
    /// The last 4 KB of the log, when asked for.
    pub log: Option<Vec<u8>>,
}

impl Answer {
    /// A function's own answer.
    #[must_use]
    pub fn success(payload: Bytes) -> Self {
        Self { payload, error: None, has_http_prelude: false, log: None }
    }

    /// An error, described by the function or for it.
    #[must_use]
    pub fn failure(payload: Bytes) -> Self {
        Self { payload, error: Some("Unhandled"), has_http_prelude: false, log: None }
    }

    /// The error that Lambda itself describes.
    #[must_use]
    pub fn platform_error(error_type: &str, message: &str) -> Self {
        Self::failure(Bytes::from(json!({"errorType": error_type, "errorMessage": message}).to_string()))
    }
}

/// Why an invocation did not reach the function. Trying again later helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// 429: every environment is busy and the waiting room is full, or the wait was in vain.
    #[error("the function is at its concurrency limit")]
    Throttled,
    /// 503: the runtime is stopping.
    #[error("the runtime is stopping")]
    Stopping,
}

/// A trace id of X-Ray's form, made of the request id so that the two can be found together.
#[must_use]
pub fn trace_id(request: RequestId, epoch_ms: u64) -> String {
    let digits = format!("{:024x}", request.0 >> 32);
    format!("Root=1-{:08x}-{digits};Parent={};Sampled=0", epoch_ms / 1_000, &digits[..16])
}

/// A request id as AWS writes it.
#[must_use]
pub fn request_id_text(request: RequestId) -> String {
    uuid::Uuid::from_u128(request.0).hyphenated().to_string()
}

/// The request a request id names.
#[must_use]
pub fn parse_request_id(text: &str) -> Option<RequestId> {
    uuid::Uuid::try_parse(text).ok().map(|id| RequestId(id.as_u128()))
}
