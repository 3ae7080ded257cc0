//! Function URLs, both directions.

use base64::Engine as _;
use serde_json::json;

use crate::support::{Stack, TEMPLATE, json, request, text};

#[tokio::test]
async fn a_request_reaches_the_function_and_its_answer_comes_back() {
    let stack = Stack::start(&[]);
    let url = format!("{}/lambda-url/multi/echo/a%20b?x=1%202&x=3", stack.program.url);
    let headers = [("content-type", "application/json"), ("cookie", "a=1; b=2"), ("x-mine", "1")];
    let (response, body) = request("POST", &url, &headers, br#"{"n":1}"#).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    let event = json(body);
    assert_eq!((&event["rawPath"], &event["rawQueryString"]), (&json!("/echo/a%20b"), &json!("x=1%202&x=3")));
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!(r#"{"n":1}"#), &json!(false)));
    assert_eq!((&event["cookies"], &event["headers"]["x-mine"]), (&json!(["a=1", "b=2"]), &json!("1")));
    assert_eq!(event["requestContext"]["http"]["method"], "POST");
    let port = stack.program.url.rsplit(':').next().unwrap();
    let added = ["for", "port", "proto"].map(|name| &event["headers"][format!("x-forwarded-{name}")]);
    assert_eq!(added, ["127.0.0.1", port, "http"]);
    assert!(event["headers"]["x-amzn-trace-id"].as_str().unwrap().starts_with("Root=1-"));
}

#[tokio::test]
async fn cross_origin_rules_are_applied_over_refusals_too() {
    let cors = "FunctionUrlConfig: {AuthType: NONE, Cors: {AllowOrigins: ['https://a']}}";
    let stack = Stack::of(&TEMPLATE.replace("FunctionUrlConfig: {AuthType: NONE}", cors), &[]);
    let url = format!("{}/lambda-url/multi/echo", stack.program.url);
    for (size, status) in [(10, 200), (7_000_000, 413)] {
        let (response, _) = request("POST", &url, &[("origin", "https://a")], &vec![b'x'; size]).await;
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["access-control-allow-origin"], "https://a", "{status}");
    }
}

#[tokio::test]
async fn bytes_travel_as_base64() {
    let stack = Stack::start(&[]);
    let bytes: Vec<u8> = (0..=255).collect();
    let (_, body) = request("POST", &format!("{}/lambda-url/multi/echo", stack.program.url), &[], &bytes).await;
    let event = json(body);
    assert_eq!(event["isBase64Encoded"], true);
    let decoded = base64::engine::general_purpose::STANDARD.decode(event["body"].as_str().unwrap()).unwrap();
    assert_eq!(decoded, bytes);
}

#[tokio::test]
async fn a_described_response_is_given_as_described() {
    let stack = Stack::start(&[]);
    let (response, body) = request("GET", &format!("{}/lambda-url/multi/http", stack.program.url), &[], b"").await;
    assert_eq!((response.status().as_u16(), text(body).as_str()), (201, "made"));
    assert_eq!(response.headers()["x-made-by"], "test");
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
}

#[tokio::test]
async fn an_unknown_url_is_forbidden_and_an_unknown_path_says_what_there_is() {
    let stack = Stack::start(&[]);
    assert_eq!(stack.get("nobody/").await, (403, r#"{"Message":null}"#.to_owned()));
    let (response, body) = request("GET", &format!("{}/nothing", stack.program.url), &[], b"").await;
    assert_eq!(response.status().as_u16(), 404);
    assert!(text(body).contains("/lambda-url/"));
}

#[tokio::test]
async fn a_body_above_six_megabytes_is_refused() {
    let stack = Stack::start(&[]);
    let url = format!("{}/lambda-url/multi/echo", stack.program.url);
    let (response, _) = request("POST", &url, &[("content-type", "text/plain")], &vec![b'x'; 7_000_000]).await;
    assert_eq!(response.status().as_u16(), 413);
    // Base64 counts.
    let (response, _) = request("POST", &url, &[], &vec![0xff; 5_000_000]).await;
    assert_eq!(response.status().as_u16(), 413);
    let (response, _) = request("POST", &url, &[("content-type", "text/plain")], &vec![b'x'; 1_000_000]).await;
    assert_eq!(response.status().as_u16(), 200);
}
