//! HTTP answers, made from the bodies of `ledger-wire`.

use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use lambda_http::Body;
use ledger_wire::problem::{MEDIA_TYPE, Problem, ProblemKind};
use serde::Serialize;

pub(crate) type Answer = Response<Body>;

/// Seconds after which a client may try again what Kafka or MongoDB kept from being done.
const RETRY_AFTER_SECONDS: u16 = 2;

pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    with_media_type(status, "application/json", body)
}

pub(crate) fn problem(problem: &Problem) -> Answer {
    problem_with(problem.status, problem)
}

/// A problem that says more than a problem has to.
pub(crate) fn problem_with(status: u16, body: &impl Serialize) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = with_media_type(status, MEDIA_TYPE, body);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    answer
}

pub(crate) fn not_found(detail: impl Into<String>) -> Answer {
    problem(&ProblemKind::NotFound.detail(detail))
}

pub(crate) fn method_not_allowed(allowed: &'static str) -> Answer {
    let mut answer = problem(&ProblemKind::MethodNotAllowed.detail(format!("this address takes {allowed}")));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// Adds a header; leaves out what could not stand in one.
pub(crate) fn with_header(mut answer: Answer, name: HeaderName, value: &str) -> Answer {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

fn with_media_type(status: StatusCode, media_type: &'static str, body: &impl Serialize) -> Answer {
    let (status, media_type, text) = match serde_json::to_string(body) {
        Ok(text) => (status, media_type, text),
        Err(fault) => {
            tracing::error!(%fault, "an answer could not be written as JSON");
            (StatusCode::INTERNAL_SERVER_ERROR, MEDIA_TYPE, UNWRITTEN.to_owned())
        }
    };
    let mut answer = Response::new(Body::Text(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}

/// In place of an answer that could not be written.
const UNWRITTEN: &str = r#"{"type":"/problems/internal","title":"Something went wrong here","status":500,"detail":"the answer could not be written; the log of this function says why"}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_a_problem_too() {
        let written: Problem = serde_json::from_str(UNWRITTEN).unwrap();
        assert_eq!(Problem { detail: String::new(), ..written }, ProblemKind::Internal.detail(""));
    }
}
