//! AWS's API as it was recorded: a server on this machine that gives one answer after the other, and the questions that
//! it was asked. The answers beside this file have made-up names and the shape that AWS's service model gives them.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_sdk_kafka::Config;
use aws_sdk_kafka::config::SharedCredentialsProvider;
use aws_sdk_kafka::config::retry::RetryConfig;

use super::*;

pub(crate) const ARN: &str =
    "arn:aws:kafka:eu-west-1:123456789012:cluster/passbook/0b8a1c6e-5e1a-4b1d-9a37-6f9d2f1b7a10-3";
const ESCAPED_ARN: &str =
    "arn%3Aaws%3Akafka%3Aeu-west-1%3A123456789012%3Acluster%2Fpassbook%2F0b8a1c6e-5e1a-4b1d-9a37-6f9d2f1b7a10-3";

/// A question that is to be asked, with `{arn}` in place of the cluster's, and the answer to it.
#[derive(Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) question: &'static str,
    pub(crate) status: &'static str,
    /// The header in which AWS names an error.
    pub(crate) error: Option<&'static str>,
    pub(crate) answer: &'static str,
}

impl Exchange {
    pub(crate) const fn ok(question: &'static str, answer: &'static str) -> Self {
        Self { question, status: "200 OK", error: None, answer }
    }

    pub(crate) const fn refused(
        question: &'static str,
        status: &'static str,
        error: &'static str,
        answer: &'static str,
    ) -> Self {
        Self { question, status, error: Some(error), answer }
    }
}

/// Asks a cluster that answers so; all of these questions have to be asked, in this order, and no other.
pub(crate) async fn ask<T>(exchanges: &'static [Exchange], ask: impl AsyncFnOnce(MskCluster) -> T) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    std::thread::spawn(move || {
        for exchange in exchanges {
            let (stream, _) = listener.accept().unwrap();
            // Noted before it is answered: with the answer the question is compared.
            heard.lock().unwrap().push(question(&stream));
            answer(stream, exchange);
        }
    });
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    let result = ask(cluster(&endpoint, SharedCredentialsProvider::new(credentials))).await;
    let expected: Vec<_> = exchanges.iter().map(|exchange| exchange.question.replace("{arn}", ESCAPED_ARN)).collect();
    assert_eq!(*asked.lock().unwrap(), expected);
    result
}

/// Where brokers are, by an answer to GetBootstrapBrokers.
pub(crate) async fn ways_in(answer: &'static str) -> Vec<WayIn> {
    let exchange = Exchange::ok("GET /v1/clusters/{arn}/bootstrap-brokers HTTP/1.1", answer);
    ask(Box::leak(Box::new([exchange])), async |cluster| cluster.ways_in().await).await.unwrap()
}

/// A cluster whose API is at an endpoint, asked once and not again.
pub(crate) fn cluster(endpoint: &str, credentials: SharedCredentialsProvider) -> MskCluster {
    let config = Config::builder()
        .behavior_version_latest()
        .region(Region::new("eu-west-1"))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint)
        .build();
    MskCluster { arn: ARN.parse().unwrap(), aws: Client::from_conf(config) }
}

/// Reads one request, and tells its first line.
fn question(stream: &TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let request = lines.next().unwrap();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    request
}

fn answer(mut stream: TcpStream, exchange: &Exchange) {
    let Exchange { status, error, answer, .. } = exchange;
    let error = error.map(|error| format!("x-amzn-errortype: {error}\r\n")).unwrap_or_default();
    let length = answer.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{error}content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(answer.as_bytes()).unwrap();
}
