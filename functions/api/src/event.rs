//! An event of a function URL or of an HTTP API (payload format 2.0) as a request, and an answer as its answer.
//!
//! Promise: whatever the event holds, no panic. The types are `lambda_http`'s, its conversion is not: that one builds a URL of
//! the scheme, the host and the path that stand in an event, and panics where they make none; the function then fails, and
//! its client is told that the request may have been accepted. Nothing here depends on a host, so it is not even read.
//!
//! Bound: a body above [`LARGEST_BODY`] is refused before it is decoded, and what came of it is let go at once. So an
//! environment that takes 64 requests at a time holds 4 MiB of bodies at most, however long their answers take; beside those
//! only the events that were received and are not read yet, 6 MB each at most (Lambda quotas).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::uri::PathAndQuery;
use http::{Request, Uri};
use lambda_http::Body;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use ledger_wire::problem::{Problem, ProblemKind};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::value::RawValue;

use crate::answers::Answer;
use crate::body::LARGEST_BODY;

/// What a path or a query cannot have as it is (RFC 3986, section 2). A function URL passes both on as they were sent; an
/// HTTP API decodes the path.
const UNFIT: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'`');
const UNFIT_IN_A_PATH: &AsciiSet = &UNFIT.add(b'?');

/// The request of an event.
///
/// # Errors
/// A problem for what is no HTTP request, or has a body above [`LARGEST_BODY`].
pub(crate) fn request_of(event: &RawValue) -> Result<Request<Body>, Problem> {
    let event: ApiGatewayV2httpRequest = serde_json::from_str(event.get())
        .map_err(|fault| invalid(format!("the event is not an HTTP request of payload format 2.0: {fault}")))?;
    let target = target(event.raw_path.as_deref(), event.raw_query_string.as_deref())?;
    let mut request = Request::new(body(event.body, event.is_base64_encoded)?);
    *request.method_mut() = event.request_context.http.method;
    *request.uri_mut() = target;
    *request.headers_mut() = event.headers;
    Ok(request)
}

/// An answer as Lambda takes it.
pub fn response_of(answer: Answer) -> ApiGatewayV2httpResponse {
    let (parts, body) = answer.into_parts();
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = parts.status.as_u16().into();
    response.headers = parts.headers;
    response.is_base64_encoded = matches!(body, Body::Binary(_));
    response.body = Some(body).filter(|body| !matches!(body, Body::Empty));
    response
}

fn target(path: Option<&str>, query: Option<&str>) -> Result<Uri, Problem> {
    let path = path.filter(|path| path.starts_with('/')).unwrap_or("/");
    let path = utf8_percent_encode(path, UNFIT_IN_A_PATH);
    let target = match query.filter(|query| !query.is_empty()) {
        Some(query) => format!("{path}?{}", utf8_percent_encode(query, UNFIT)),
        None => path.to_string(),
    };
    let target = PathAndQuery::try_from(target);
    target.map(Uri::from).map_err(|fault| invalid(format!("the path and the query cannot be read: {fault}")))
}

fn body(text: Option<String>, is_base64: bool) -> Result<Body, Problem> {
    let text = text.unwrap_or_default();
    // Three bytes of it come as four letters, the last perhaps as padding.
    let length = if is_base64 { (text.len() / 4 * 3).saturating_sub(2) } else { text.len() };
    if length > LARGEST_BODY {
        return Err(too_large());
    }
    if !is_base64 {
        return Ok(Body::Text(text));
    }
    let bytes = STANDARD.decode(text).map_err(|fault| invalid(format!("the event's body is not base64: {fault}")))?;
    Ok(Body::Binary(bytes))
}

pub(crate) fn too_large() -> Problem {
    ProblemKind::PayloadTooLarge.detail(format!("a command has at most {LARGEST_BODY} bytes"))
}

fn invalid(detail: String) -> Problem {
    ProblemKind::InvalidRequest.detail(detail)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(event: &Value) -> Result<Request<Body>, Problem> {
        request_of(&serde_json::value::to_raw_value(event).unwrap())
    }

    fn event(path: &str, query: &str, headers: &Value) -> Value {
        json!({
            "version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers,
            "requestContext": {"http": {"method": "GET", "path": path}, "stage": "$default", "timeEpoch": 0},
            "isBase64Encoded": false,
        })
    }

    #[test]
    fn a_host_is_not_needed_and_nothing_depends_on_it() {
        for headers in [
            json!({}),
            json!({"host": ""}),
            json!({"host": "x{y}"}),
            json!({"host": "a b/c?d#e"}),
            json!({"host": "[::1", "x-forwarded-proto": "x{y}"}),
        ] {
            let request = read(&event("/health", "", &headers)).unwrap();
            assert_eq!((request.method().as_str(), request.uri()), ("GET", &Uri::from_static("/health")), "{headers}");
        }
    }

    #[test]
    fn a_target_is_read_as_it_was_sent_and_what_cannot_stand_is_encoded() {
        for (path, query, expected) in [
            ("/transactions/a%3Ab", "wait=1&x=%20", "/transactions/a%3Ab?wait=1&x=%20"),
            ("/a b`<>\"?#", "x=a b#`<>\"", "/a%20b%60%3C%3E%22%3F%23?x=a%20b%23%60%3C%3E%22"),
            ("/{}|^\\", "{}|^", "/{}|^\\?{}|^"),
            ("/caf\u{e9}", "\u{e9}", "/caf%C3%A9?%C3%A9"),
            ("/a\n\u{7f}\u{0}", "\t", "/a%0A%7F%00?%09"),
            ("//a/../b", "", "//a/../b"),
            ("http://x{y}/", "", "/"),
            ("", "", "/"),
            ("/%zz%", "%", "/%zz%?%"),
        ] {
            let uri = read(&event(path, query, &json!({}))).unwrap().uri().to_string();
            assert_eq!(uri, expected, "{path} {query}");
        }
        let long = read(&event(&format!("/{}", "a".repeat(70_000)), "", &json!({})));
        assert_eq!(long.unwrap_err().status, 400);
    }

    #[test]
    fn whatever_is_no_http_request_is_told_so() {
        let get = || event("/", "", &json!({}));
        let with = |name: &str, value: Value| {
            let mut event = get();
            event[name] = value;
            event
        };
        for event in [
            json!(null),
            json!([]),
            json!({}),
            json!({"Records": []}),
            with("headers", json!({"a b": "c"})),
            with("headers", json!({"a": "b\nc"})),
            with("headers", json!({"a": "b\u{1}c"})),
            with("requestContext", json!({"http": {"method": "G T"}})),
            with("requestContext", json!({})),
            with("body", json!(7)),
        ] {
            let problem = read(&event).expect_err(&event.to_string());
            assert_eq!((problem.status, problem.r#type.as_str()), (400, "/problems/invalid-request"), "{event}");
        }
        let broken = json!({"body": "*", "isBase64Encoded": true});
        let event = broken.as_object().unwrap().iter().fold(get(), |mut event, (name, value)| {
            event[name] = value.clone();
            event
        });
        assert!(read(&event).unwrap_err().detail.contains("not base64"));
    }

    #[test]
    fn a_body_above_the_limit_is_refused_before_it_is_decoded() {
        let sent = |body: String, is_base64: bool| {
            let mut event = event("/transaction", "", &json!({}));
            (event["body"], event["isBase64Encoded"]) = (json!(body), json!(is_base64));
            read(&event).map(|request| request.body().len()).map_err(|problem| problem.status)
        };
        assert_eq!(sent(" ".repeat(LARGEST_BODY), false), Ok(LARGEST_BODY));
        assert_eq!(sent(" ".repeat(LARGEST_BODY + 1), false), Err(413));
        assert_eq!(sent(STANDARD.encode(vec![b' '; LARGEST_BODY]), true), Ok(LARGEST_BODY));
        // No base64, so it was not decoded.
        assert_eq!(sent("*".repeat(2 * LARGEST_BODY), true), Err(413));
    }

    #[test]
    fn an_answer_is_written_as_lambda_takes_it() {
        let mut answer = Answer::new(Body::Text("{}".to_owned()));
        *answer.status_mut() = http::StatusCode::ACCEPTED;
        answer.headers_mut().insert(http::header::LOCATION, "/transactions/1".parse().unwrap());
        assert_eq!(
            serde_json::to_value(response_of(answer)).unwrap(),
            json!({
                "statusCode": 202, "headers": {"location": "/transactions/1"}, "multiValueHeaders": {}, "body": "{}",
                "isBase64Encoded": false, "cookies": [],
            })
        );
    }
}
