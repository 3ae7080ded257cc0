use http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// A server that tells the length of each body, or gives as many bytes as the path says. It ends with the handle.
async fn server(patience: Patience) -> (SocketAddr, CloseHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (close, closing) = closing();
    tokio::spawn(serve(listener, closing, patience, |_, request: Request<Incoming>| async move {
        let bytes = request.uri().path().trim_start_matches('/').parse::<usize>().unwrap_or_default();
        match request.into_body().collect().await {
            Ok(_) if bytes > 0 => json(StatusCode::OK, vec![b'1'; bytes]),
            Ok(body) => json(StatusCode::OK, body.to_bytes().len().to_string()),
            Err(_) => message(StatusCode::BAD_REQUEST, "the body ended early"),
        }
    }));
    (address, close)
}

/// Everything that is answered to bytes, until the server closes; the client keeps its own side open.
async fn exchange(address: SocketAddr, sent: &[u8]) -> String {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(sent).await.unwrap();
    let mut answer = vec![];
    let read = tokio::time::timeout(Duration::from_secs(60), client.read_to_end(&mut answer));
    read.await.expect("the server closes").unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_with_the_reason() {
    let (address, _open) = server(Patience::CLIENTS).await;
    let many: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    let large = format!("x: {}\r\n", "1".repeat(4 * LARGEST_HEAD));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(65_600));
    let cases = [
        ("GET / HTTP/1.1\r\nx: a\x01b\r\n\r\n".to_owned(), 400, "control characters"),
        ("GET /a`b HTTP/1.1\r\n\r\n".to_owned(), 400, "percent-encode"),
        ("GET /a b HTTP/1.1\r\n\r\n".to_owned(), 400, "cannot be read"),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400, "HTTP/1.1"),
        ("G{}T / HTTP/1.1\r\n\r\n".to_owned(), 400, "cannot be read"),
        ("POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n".to_owned(), 400, "cannot be read"),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), 431, "100 headers"),
        (format!("GET / HTTP/1.1\r\n{large}\r\n"), 431, "100 headers"),
        (long, 414, "shorter"),
    ];
    for (sent, status, why) in cases {
        let sent_again = format!("GET / HTTP/1.1\r\n\r\n{sent}");
        for (sent, before) in [(&sent, 0), (&sent_again, 1)] {
            let answer = exchange(address, sent.as_bytes()).await;
            let answers: Vec<_> = answer.split("HTTP/1.1 ").skip(1).collect();
            assert_eq!(answers.len(), before + 1, "{sent:.80}: {answer}");
            let (head, body) = answers[before].split_once("\r\n\r\n").unwrap();
            let is_problem = head.contains("\r\ncontent-type: application/problem+json\r\n");
            assert!(
                head.starts_with(&status.to_string()) && head.contains("x-amzn-requestid: ") && is_problem,
                "{sent:.80}: {answer}"
            );
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!((&body["type"], &body["status"]), (&"about:blank".into(), &status.into()), "{body}");
            assert!(body["title"].is_string() && body["detail"] == body["Message"], "{body}");
            assert!(body["Message"].as_str().unwrap().contains(why), "{sent:.80}: {body}");
        }
    }
}

#[tokio::test]
async fn requests_that_were_sent_before_their_turn_are_answered_in_order() {
    let (address, _open) = server(Patience::CLIENTS).await;
    let whole = "POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc";
    let chunked = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n";
    let last = "GET / HTTP/1.0\r\n\r\n";
    let answer = exchange(address, [whole, chunked, last].concat().as_bytes()).await;
    let bodies: Vec<_> = answer.split("\r\n\r\n").skip(1).map(|body| &body[..1]).collect();
    assert_eq!(bodies, ["3", "4", "0"], "{answer}");
}

#[tokio::test]
async fn who_expects_to_be_asked_for_a_body_is_asked() {
    let (address, _open) = server(Patience::CLIENTS).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"POST / HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n").await.unwrap();
    drop(client);
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\n";
    client.write_all(head).await.unwrap();
    let mut asked = [0; 25];
    client.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"ab").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n2"), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_come_to_the_end_of_a_head_is_left() {
    let patience = Patience { head: Some(Duration::from_millis(100)), ..Patience::CLIENTS };
    let (address, _open) = server(patience).await;
    assert_eq!(exchange(address, b"GET / HTTP/1.1\r\nx: ").await, "");
    assert_eq!(exchange(address, b"").await, "", "nor one that begins none");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_left() {
    let patience = Patience { stall: Duration::from_millis(100), ..Patience::CLIENTS };
    let (address, _open) = server(patience).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    const MUCH: usize = 64 * 1024 * 1024;
    client.write_all(format!("GET /{MUCH} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
    // Nothing is read until the server has nothing more to do with it: closing waits for that.
    let mut first = [0; 12];
    client.read_exact(&mut first).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(60), _open.close(Duration::from_secs(3_600)));
    waited.await.expect("the connection was left");
}
