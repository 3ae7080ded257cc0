use http::{Method, Request, StatusCode};
use lambda_http::Body;
use ledger_log::AppendError;
use serde_json::value::RawValue;

use super::{Counter, deposit, post};

const ID: &str = "alice.000g000000000000";

#[tokio::test]
async fn a_command_is_accepted_with_its_place_in_the_log() {
    let counter = Counter::new();
    let answer = counter.post(&deposit("alice", 5)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.body, serde_json::json!({"id": ID, "status": "accepted"}));
    assert_eq!(answer.headers["location"], format!("/transactions/{ID}"));
    assert_eq!(counter.log.commands().len(), 1);
}

#[tokio::test]
async fn what_is_no_command_never_reaches_the_log() {
    let counter = Counter::new();
    for body in ["", "{", "[]", "{}", &deposit("alice", 0), &deposit("no spaces", 1)] {
        let answer = counter.post(body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.body["type"], "/problems/invalid-request", "{body}");
    }
    let long = deposit("alice", 1) + &" ".repeat(64 * 1024);
    assert_eq!(counter.post(&long).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let mut text = post(&deposit("alice", 1));
    text.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(counter.send(text).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let mut keyed = post(&deposit("alice", 1));
    keyed.headers_mut().insert("idempotency-key", "k".repeat(129).parse().unwrap());
    assert_eq!(counter.send(keyed).await.body["field"], "Idempotency-Key");
    let mut compressed = post(&deposit("alice", 1));
    compressed.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    let answer = counter.send(compressed).await;
    assert_eq!(
        (answer.status, &answer.body["field"]),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, &"Content-Encoding".into())
    );
    let mut queried = post(&deposit("alice", 1));
    *queried.uri_mut() = "/transaction?wait=5".parse().unwrap();
    assert_eq!(counter.send(queried).await.body["field"], "wait");
    assert_eq!(counter.log.commands(), vec![]);
}

#[tokio::test]
async fn an_event_is_answered_whatever_it_is() {
    let counter = Counter::new();
    let event = |host: &str| {
        let http = r#""requestContext":{"http":{"method":"GET","path":"/health"},"timeEpoch":0},"rawPath":"/health""#;
        format!(r#"{{"version":"2.0",{http},"headers":{{{host}}},"isBase64Encoded":false}}"#)
    };
    for (event, status) in [
        (event(""), 200),
        (event(r#""host":"x{y}""#), 200),
        (event(r#""host":"[::1","x-forwarded-proto":"x{y}""#), 200),
        (event(r#""a b":"c""#), 400),
        ("{}".to_owned(), 400),
        ("7".to_owned(), 400),
    ] {
        let answer = counter.door.answer_event(RawValue::from_string(event.clone()).unwrap()).await;
        assert_eq!(answer.status().as_u16(), status, "{event}");
    }
}

#[tokio::test]
async fn addresses_and_methods_are_told_apart() {
    let counter = Counter::new();
    for (method, path, status, allowed) in [
        ("GET", "/transaction", 405, Some("POST")),
        ("DELETE", "/transactions", 405, Some("POST")),
        ("POST", "/accounts/alice", 405, Some("GET, HEAD")),
        ("PUT", "/health", 405, Some("GET, HEAD")),
        ("GET", "/", 404, None),
        ("GET", "/accounts", 404, None),
        ("POST", "/transactions/batch/x", 404, None),
        ("GET", "/health/", 200, None),
    ] {
        let request = Request::builder().method(Method::try_from(method).unwrap()).uri(path).body(Body::Empty).unwrap();
        let answer = counter.send(request).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        assert_eq!(answer.headers.get("allow").map(|value| value.to_str().unwrap()), allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn a_log_that_is_away_is_a_503_that_says_whether_to_mind_a_second_record() {
    let counter = Counter::new();
    counter.log.fail_appends(Some(AppendError::Unconfirmed { timeout_ms: 5_000, reason: "gone".to_owned() }));
    let answer = counter.post(&deposit("alice", 1)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "2");
    assert!(answer.body["detail"].as_str().unwrap().contains("may or may not have it"));
    counter.log.fail_appends(Some(AppendError::QueueFull));
    let answer = counter.post(&deposit("alice", 1)).await;
    assert!(answer.body["detail"].as_str().unwrap().contains("was not recorded"));
}

#[tokio::test]
async fn a_trace_goes_on_in_the_log_and_what_is_none_is_left_out() {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (given, kept) in [(trace, Some(trace)), ("00-not-a-trace", None)] {
        let counter = Counter::new();
        let mut request = post(&deposit("alice", 5));
        request.headers_mut().insert("traceparent", given.parse().unwrap());
        assert_eq!(counter.send(request).await.status, StatusCode::ACCEPTED);
        let stored = counter.log.commands().remove(0);
        assert_eq!(stored.traceparent.as_deref(), kept, "{given}");
    }
}
