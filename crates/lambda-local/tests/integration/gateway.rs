//! The gateway queues what its back end would refuse.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Stack, request, run, text, until};

async fn get(url: &str) -> (u16, String) {
    let (response, body) = request("GET", url, &[], b"").await;
    (response.status().as_u16(), text(body))
}

#[tokio::test]
async fn it_queues_in_front_of_a_back_end_that_does_not() {
    let stack = Stack::start(&["--max-waiting", "0"]);
    let forward = format!("{}/lambda-url/multi", stack.program.url);
    let arguments = ["gateway", "--listen", "127.0.0.1:0", "--forward", &forward];
    let gateway = run(&[&arguments[..], &["--max-in-flight", "8"]].concat());
    let url = format!("{}/sleep/5", gateway.url);
    let answers = join_all((0..200).map(|_| get(&url))).await;
    assert!(answers.iter().all(|answer| answer.0 == 200), "{answers:?}");
    let narrow = run(&[&arguments[..], &["--max-in-flight", "1", "--max-waiting", "1"]].concat());
    let url = format!("{}/sleep/200", narrow.url);
    let answers = join_all((0..4).map(|_| get(&url))).await;
    assert_eq!(answers.iter().filter(|answer| answer.0 == 429).count(), 2, "{answers:?}");
}

#[tokio::test]
async fn requests_and_answers_pass_through_unchanged() {
    let stack = Stack::start(&[]);
    let forward = format!("{}/lambda-url/multi", stack.program.url);
    let gateway = run(&["gateway", "--listen", "127.0.0.1:0", "--forward", &forward]);
    let url = format!("{}/echo/a%20b?x=1%202", gateway.url);
    let (response, body) = request("PUT", &url, &[("content-type", "text/plain"), ("x-mine", "1")], b"hi").await;
    let body = text(body);
    assert_eq!(response.status().as_u16(), 200);
    for part in
        [r#""rawPath":"/echo/a%20b""#, r#""rawQueryString":"x=1%202""#, r#""x-mine":"1""#, r#""body":"hi""#, r#""PUT""#]
    {
        assert!(body.contains(part), "{part}: {body}");
    }
    let (response, _) = request("GET", &format!("{}/http", gateway.url), &[], b"").await;
    assert_eq!((response.status().as_u16(), response.headers().get_all("set-cookie").iter().count()), (201, 2));
}

#[tokio::test]
async fn a_client_that_keeps_its_body_back_keeps_its_place_no_longer_than_a_wait() {
    let stack = Stack::start(&[]);
    let forward = format!("{}/lambda-url/multi", stack.program.url);
    let arguments = ["gateway", "--listen", "127.0.0.1:0", "--forward", &forward];
    let gateway = run(&[&arguments[..], &["--max-in-flight", "1", "--max-wait-ms", "500"]].concat());
    let mut client = tokio::net::TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
    client.write_all(b"POST /echo HTTP/1.1\r\nHost: gateway\r\nContent-Length: 9\r\n\r\n").await.unwrap();
    let mut status = [0; 12];
    tokio::time::timeout(Duration::from_secs(60), client.read_exact(&mut status)).await.expect("an answer").unwrap();
    assert_eq!(&status, b"HTTP/1.1 408");
    assert_eq!(get(&format!("{}/echo", gateway.url)).await.0, 200, "its place is free again");
}

/// A back end that answers each connection's request with what it is told to, piece by piece.
async fn back_end() -> (String, tokio::sync::mpsc::Sender<Vec<u8>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (say, mut pieces) = tokio::sync::mpsc::channel::<Vec<u8>>(1);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        assert!(stream.read(&mut head).await.unwrap() > 0);
        while let Some(piece) = pieces.recv().await {
            if stream.write_all(&piece).await.is_err() {
                return;
            }
        }
    });
    (url, say)
}

#[tokio::test]
async fn an_answer_is_passed_on_as_it_comes_with_what_it_says_at_its_end() {
    let (url, say) = back_end().await;
    let gateway = run(&["gateway", "--listen", "127.0.0.1:0", "--forward", &url]);
    let mut client = tokio::net::TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: gateway\r\nTE: trailers\r\n\r\n").await.unwrap();
    let name = "Lambda-Runtime-Function-Error-Type";
    let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: {name}\r\n\r\n5\r\nfirst\r\n");
    say.send(head.into_bytes()).await.unwrap();
    let mut answer = vec![];
    let mut read_until = async |end: &str| {
        while !String::from_utf8_lossy(&answer).contains(end) {
            let read = tokio::time::timeout(Duration::from_secs(60), client.read_buf(&mut answer)).await.expect(end);
            assert!(read.unwrap() > 0, "{end}: {answer:?}");
        }
    };
    read_until("first").await;
    say.send(format!("4\r\nlast\r\n0\r\n{name}: Custom\r\n\r\n").into_bytes()).await.unwrap();
    read_until("lambda-runtime-function-error-type: Custom\r\n\r\n").await;
}

#[tokio::test]
async fn an_answer_without_end_is_never_held() {
    let (url, say) = back_end().await;
    let gateway = run(&["gateway", "--listen", "127.0.0.1:0", "--forward", &url]);
    let mut client = tokio::net::TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n").await.unwrap();
    say.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec()).await.unwrap();
    let megabyte = vec![b'1'; 1024 * 1024];
    let pieces = 300;
    let told = async {
        for _ in 0..pieces {
            say.send(megabyte.clone()).await.unwrap();
        }
        drop(say);
    };
    let read = async {
        let (mut bytes, mut buffer) = (0, vec![0; 1024 * 1024]);
        loop {
            match client.read(&mut buffer).await.unwrap() {
                0 => return bytes,
                more => bytes += more,
            }
        }
    };
    let ((), bytes) = tokio::join!(told, read);
    assert!(bytes > pieces * megabyte.len(), "{bytes}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.child.id())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let most: usize = most.trim_end_matches(" kB").parse().unwrap();
    assert!(most < 100_000, "{most} kB at most");
}

#[tokio::test]
async fn bodies_are_admitted_by_the_byte_and_none_is_larger_than_a_url_takes() {
    let stack = Stack::start(&[]);
    let forward = format!("{}/lambda-url/multi", stack.program.url);
    let arguments = ["gateway", "--listen", "127.0.0.1:0", "--forward", &forward, "--max-body-mb", "8"];
    let gateway = run(&arguments);
    let url = format!("{}/sleep/900", gateway.url);
    let post = async |bytes: usize| {
        let (response, body) = request("POST", &url, &[("content-type", "text/plain")], &vec![b'1'; bytes]).await;
        (response.status().as_u16(), text(body))
    };
    let (status, told) = post(6_400_000).await;
    assert!(status == 413 && told.contains("Message"), "{status} {told}");
    let three = join_all((0..3).map(|_| post(2_500_000)));
    let fourth = async {
        until("three in the back end", async || {
            stack.program.status().await["functions"][1]["environments"][0]["in_flight"] == 3
        })
        .await;
        let (status, told) = post(2_500_000).await;
        assert!(status == 429 && told.contains("bytes of bodies"), "{status} {told}");
    };
    let (answers, ()) = tokio::join!(three, fourth);
    assert!(answers.iter().all(|answer| answer.0 == 200), "{answers:?}");
    assert_eq!(post(2_500_000).await.0, 200, "there is room again");
}

#[tokio::test]
async fn a_back_end_that_stays_away_is_502_after_the_wait() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let forward = format!("http://{gone}");
    let gateway = run(&["gateway", "--listen", "127.0.0.1:0", "--forward", &forward, "--max-wait-ms", "300"]);
    assert_eq!(get(&gateway.url).await.0, 502);
}
