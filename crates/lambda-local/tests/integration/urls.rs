//! Function URLs, both directions.

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Stack, TEMPLATE, json, request, text, until};

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
async fn an_answer_says_the_id_of_its_request_whoever_gives_it() {
    let stack = Stack::start(&[]);
    let ask = async |path: &str| {
        let url = format!("{}/lambda-url/{path}", stack.program.url);
        request("GET", &url, &[("x-amzn-trace-id", "Root=1-a")], b"").await
    };
    let (response, body) = ask("multi/echo").await;
    let event = json(body);
    assert_eq!(event["requestContext"]["requestId"], response.headers()["x-amzn-requestid"].to_str().unwrap());
    assert_eq!(response.headers()["x-amzn-trace-id"], "Root=1-a");
    for path in ["multi/fail", "nobody/", "closed/echo", "multi/malformed"] {
        assert_eq!(ask(path).await.0.headers()["x-amzn-requestid"].len(), 36, "{path}");
    }
}

/// What a request that is written by hand is answered: status, and body.
async fn by_hand(stack: &Stack, sent: &str) -> (u16, String) {
    let mut client = TcpStream::connect(stack.program.url.trim_start_matches("http://")).await.unwrap();
    client.write_all(sent.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(60), client.read_to_string(&mut answer));
    read.await.expect("the server closes").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{sent:?}: {answer:?}"));
    (head["HTTP/1.1 ".len()..][..3].parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn a_request_needs_no_host_and_gets_none_that_is_not_one() {
    let stack = Stack::start(&[]);
    let own = stack.program.url.trim_start_matches("http://");
    for (head, host) in [
        ("GET /lambda-url/multi/echo HTTP/1.0", own),
        ("GET /lambda-url/multi/echo HTTP/1.1\r\nConnection: close", own),
        ("OPTIONS /lambda-url/multi/echo HTTP/1.1\r\nConnection: close\r\nHost:", own),
        ("GET /lambda-url/multi/echo HTTP/1.1\r\nConnection: close\r\nHost: api:80", "api:80"),
    ] {
        let (status, body) = by_hand(&stack, &format!("{head}\r\n\r\n")).await;
        let event: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{head}: {status} {body}"));
        assert_eq!(
            (status, &event["headers"]["host"], &event["requestContext"]["domainName"]),
            (200, &host.into(), &host.into())
        );
    }
    for hosts in ["Host: x{y}", "Host: 1.2.3.4.5", "Host: a\r\nHost: b"] {
        let head = format!("GET /lambda-url/multi/echo HTTP/1.1\r\nConnection: close\r\n{hosts}\r\n\r\n");
        let (status, body) = by_hand(&stack, &head).await;
        let told: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{hosts}: {status} {body}"));
        assert!(status == 400 && told["Message"].as_str().unwrap().contains("Host"), "{hosts}: {status} {told}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_the_reason() {
    let stack = Stack::start(&[]);
    let many: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    for (sent, status) in [
        ("GET /lambda-url/multi/a`b HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /lambda-url/multi/ HTTP/1.1\r\nx: \x01\r\n\r\n".to_owned(), 400),
        (format!("GET /lambda-url/multi/ HTTP/1.1\r\n{many}\r\n"), 431),
        (format!("GET /lambda-url/multi/{} HTTP/1.0\r\n\r\n", "a".repeat(20_000)), 414),
        (format!("POST /lambda-url/multi/ HTTP/1.0\r\nContent-Length: 7000000\r\n\r\n{}", "1".repeat(7_000_000)), 413),
    ] {
        let (got, body) = by_hand(&stack, &sent).await;
        let told: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{sent:.60}: {got} {body}"));
        assert!(got == status && told["Message"].is_string(), "{sent:.60}: {got} {told}");
    }
}

#[tokio::test]
async fn a_body_without_a_length_arrives_with_one() {
    let stack = Stack::start(&[]);
    let head = "POST /lambda-url/multi/echo HTTP/1.1\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let (status, body) =
        by_hand(&stack, &format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n")).await;
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &event["body"], &event["isBase64Encoded"]), (200, &json!("YT1i"), &json!(true)));
    assert_eq!(
        (&event["headers"]["content-length"], &event["headers"]["transfer-encoding"]),
        (&json!("3"), &json!(null))
    );
}

#[tokio::test]
async fn bodies_that_wait_have_room_for_so_many_bytes() {
    let stack = Stack::start(&["--max-body-mb", "2"]);
    let url = |path: &str| format!("{}/lambda-url/single/{path}", stack.program.url);
    let (slow, large) = (url("sleep/600"), vec![b'1'; 1_500_000]);
    let text = [("content-type", "text/plain")];
    let first = request("POST", &slow, &text, &large);
    let second = async {
        until("a busy environment", async || {
            stack.environments("single").await.first().is_some_and(|first| first.1 == "busy")
        })
        .await;
        let (refused, _) = request("POST", &url("echo"), &text, &large).await;
        assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"1".parse().unwrap()));
        let (invoked, _) = stack.invoke("single", &[], &large).await;
        assert_eq!(invoked.status().as_u16(), 429);
        let (small, _) = request("POST", &url("echo"), &text, b"1").await;
        assert_eq!(small.status().as_u16(), 200);
    };
    let ((first, _), ()) = tokio::join!(first, second);
    assert_eq!(first.status().as_u16(), 200);
    assert_eq!(request("POST", &url("echo"), &text, &large).await.0.status().as_u16(), 200, "it is free again");
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
