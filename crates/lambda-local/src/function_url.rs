//! Function URLs: an HTTP request becomes an event of payload format 2.0 ([`request`]), the function's answer an HTTP
//! response ([`response`]); cross-origin rules of the template are applied over both ([`cors`]). All pure.

pub(crate) mod cors;
pub(crate) mod request;
pub(crate) mod response;

use http::{Response, StatusCode};

use crate::http_server::{self, Reply};
use crate::invocation::{Answer, Refused};

/// What the caller sees when the function failed, whatever the reason: no details.
pub(crate) fn function_failed() -> Reply {
    http_server::text(StatusCode::BAD_GATEWAY, "Internal Server Error")
}

/// The answer of a function, or of nobody, as HTTP.
pub(crate) fn reply(outcome: Result<Answer, Refused>) -> Reply {
    match outcome {
        Ok(answer) if answer.error.is_some() => function_failed(),
        Ok(answer) => response::from_answer(&answer).unwrap_or_else(|malformed| {
            tracing::warn!(%malformed, "the function's answer is not an HTTP response");
            function_failed()
        }),
        Err(refused) => crate::invoke_api::refusal(refused),
    }
}

/// The answer for a name that has no function URL.
pub(crate) fn unknown() -> Reply {
    let mut reply: Reply = http_server::json(StatusCode::FORBIDDEN, r#"{"Message":null}"#);
    let error_type = http::HeaderValue::from_static("AccessDeniedException");
    Response::headers_mut(&mut reply).insert("x-amzn-errortype", error_type);
    reply
}
