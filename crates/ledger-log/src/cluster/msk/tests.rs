//! Against a replayed answer of AWS: the reply that the API reference of GetBootstrapBrokers documents, with made-up names.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use aws_credential_types::Credentials;
use aws_sdk_kafka::Config;

use super::*;
use crate::config::LogConfig;

const ARN: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/passbook/0b8a1c6e-5e1a-4b1d-9a37-6f9d2f1b7a10-3";
const ALL: &str = r#"{
    "bootstrapBrokerString": "b-1.passbook.abc.c3.kafka.eu-west-1.amazonaws.com:9092,b-2.passbook.abc.c3.kafka.eu-west-1.amazonaws.com:9092",
    "bootstrapBrokerStringTls": "b-1.passbook.abc.c3.kafka.eu-west-1.amazonaws.com:9094,b-2.passbook.abc.c3.kafka.eu-west-1.amazonaws.com:9094",
    "bootstrapBrokerStringSaslScram": "b-1.passbook.abc.c3.kafka.eu-west-1.amazonaws.com:9096,b-2.passbook.abc.c3.kafka.eu-west-1.amazonaws.com:9096",
    "bootstrapBrokerStringSaslIam": "b-1.passbook.abc.c3.kafka.eu-west-1.amazonaws.com:9098,b-2.passbook.abc.c3.kafka.eu-west-1.amazonaws.com:9098",
    "bootstrapBrokerStringPublicSaslIam": "b-1-public.passbook.abc.c3.kafka.eu-west-1.amazonaws.com:9198"
}"#;
const IAM_ONLY: &str =
    r#"{"bootstrapBrokerStringSaslIam": "boot-x1.c1.kafka-serverless.eu-west-1.amazonaws.com:9098"}"#;
const PUBLIC_ONLY: &str = r#"{"bootstrapBrokerStringPublicSaslIam": "b-1-public.passbook:9198"}"#;
const FORBIDDEN: &str =
    r#"{"message": "User: arn:aws:iam::123456789012:user/x is not authorized to perform: kafka:GetBootstrapBrokers"}"#;

fn security(set: &[(&str, &str)]) -> Security {
    let lookup = |name: &str| {
        let found = set.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
        if name == "MSK_CLUSTER_ARN" { Some(ARN.to_owned()) } else { found }
    };
    LogConfig::from_lookup(lookup).unwrap().security
}

/// Answers one request so, and tells the request line.
fn replay(status: &'static str, body: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        let request = lines.next().unwrap();
        lines.take_while(|line| !line.is_empty()).for_each(drop);
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        request
    });
    (endpoint, served)
}

async fn ask_replayed(status: &'static str, body: &'static str, set: &[(&str, &str)]) -> Result<String, FindError> {
    let (endpoint, served) = replay(status, body);
    let config = Config::builder()
        .behavior_version_latest()
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
        .endpoint_url(endpoint)
        .build();
    let result = ask(&Client::from_conf(config), ARN, &security(set)).await;
    let path = "GET /v1/clusters/arn%3Aaws%3Akafka%3Aeu-west-1%3A123456789012%3Acluster%2Fpassbook%2F0b8a1c6e-5e1a-4b1d-9a37-6f9d2f1b7a10-3/bootstrap-brokers HTTP/1.1";
    assert_eq!(served.join().unwrap(), path);
    result
}

#[tokio::test]
async fn the_brokers_fit_the_way_of_signing_in() {
    let password =
        [("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"), ("KAFKA_SASL_USERNAME", "u"), ("KAFKA_SASL_PASSWORD", "p")];
    for (set, port) in [
        (&[("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT")][..], ":9092"),
        (&[("KAFKA_SECURITY_PROTOCOL", "SSL")], ":9094"),
        (&password, ":9096"),
        (&[], ":9098"),
    ] {
        let brokers = ask_replayed("200 OK", ALL, set).await.unwrap();
        assert_eq!(brokers.split(',').count(), 2, "{brokers}");
        assert!(brokers.split(',').all(|broker| broker.ends_with(port)), "{set:?}: {brokers}");
    }
}

#[tokio::test]
async fn brokers_reached_from_outside_come_last() {
    assert_eq!(ask_replayed("200 OK", PUBLIC_ONLY, &[]).await.unwrap(), "b-1-public.passbook:9198");
}

#[tokio::test]
async fn a_way_that_is_not_offered_is_named_with_those_that_are() {
    let error = ask_replayed("200 OK", IAM_ONLY, &[("KAFKA_SECURITY_PROTOCOL", "SSL")]).await.unwrap_err().to_string();
    assert!(error.contains("has no brokers for TLS; it offers SASL/IAM;"), "{error}");
}

#[tokio::test]
async fn a_refusal_says_why() {
    let error = ask_replayed("403 Forbidden", FORBIDDEN, &[]).await.unwrap_err().to_string();
    assert!(error.contains("is not authorized to perform: kafka:GetBootstrapBrokers"), "{error}");
}
