//! The gateway queues what its back end would refuse.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Stack, request, run, text};

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

#[tokio::test]
async fn a_back_end_that_stays_away_is_502_after_the_wait() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let forward = format!("http://{gone}");
    let gateway = run(&["gateway", "--listen", "127.0.0.1:0", "--forward", &forward, "--max-wait-ms", "300"]);
    assert_eq!(get(&gateway.url).await.0, 502);
}
