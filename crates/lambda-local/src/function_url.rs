//! Function URLs: an HTTP request becomes an event of payload format 2.0 ([`request`]), the function's answer an HTTP
//! response ([`response`]); what AWS's front adds, takes away and refuses comes before ([`front`]), and cross-origin rules of
//! the template are applied over all of it ([`cors`]). All pure.

pub(crate) mod cors;
pub(crate) mod front;
pub(crate) mod request;
pub(crate) mod response;

use http::{HeaderValue, StatusCode};

use crate::http_server::{self, BodyError, Reply};
use crate::invocation::{Answer, PAYLOAD_LIMIT, Refused};
use crate::invoke_api;
use front::Unfit;

/// What the caller sees when the function failed, whatever the reason: no details, in AWS's plain words.
fn function_failed() -> Reply {
    let mut reply = http_server::json(StatusCode::BAD_GATEWAY, "Internal Server Error");
    reply.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    reply
}

/// The answer of a function, or of nobody, as HTTP.
pub(crate) fn reply(outcome: Result<Answer, Refused>) -> Reply {
    match outcome {
        Ok(answer) if answer.error.is_some() => function_failed(),
        Ok(answer) => response::from_answer(&answer).unwrap_or_else(|malformed| {
            tracing::warn!(%malformed, "the function's answer is not an HTTP response");
            function_failed()
        }),
        Err(refused) => invoke_api::refusal(refused),
    }
}

/// The answer for a name that has no function URL.
pub(crate) fn unknown() -> Reply {
    let mut reply = http_server::json(StatusCode::FORBIDDEN, r#"{"Message":null}"#);
    reply.headers_mut().insert(invoke_api::ERROR_TYPE, HeaderValue::from_static("AccessDeniedException"));
    reply
}

/// The answer to a request whose body could not be had.
pub(crate) fn no_body(error: BodyError) -> Reply {
    match error {
        BodyError::TooLarge => {
            let message =
                format!("The request must be smaller than {PAYLOAD_LIMIT} bytes, its event's base64 included");
            http_server::message(StatusCode::PAYLOAD_TOO_LARGE, &message)
        }
        BodyError::Broken => http_server::message(StatusCode::BAD_REQUEST, "The body ended early"),
        BodyError::Slow => http_server::message(StatusCode::REQUEST_TIMEOUT, "The body did not come in time"),
        BodyError::NoRoom => invoke_api::refusal(Refused::Throttled),
    }
}

/// The answer to a request that AWS would not pass on.
pub(crate) fn unfit(unfit: Unfit) -> Reply {
    let status = match unfit {
        Unfit::Host | Unfit::Hosts => StatusCode::BAD_REQUEST,
        Unfit::Target => StatusCode::URI_TOO_LONG,
    };
    http_server::message(status, &format!("The request cannot be passed on: {unfit}"))
}
