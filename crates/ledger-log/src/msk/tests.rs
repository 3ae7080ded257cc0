use std::net::TcpListener;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_kafka::config::SharedCredentialsProvider;

use super::replay::{Exchange, ask, cluster, ways_in};
use super::*;
use crate::{COMMANDS, GENERATIONS, OUTCOMES};

const DESCRIBE: &str = "GET /api/v2/clusters/{arn} HTTP/1.1";
const PROVISIONED: &[Exchange] = &[Exchange::ok(DESCRIBE, include_str!("replies/cluster-provisioned.json"))];
const SERVERLESS: &[Exchange] = &[Exchange::ok(DESCRIBE, include_str!("replies/cluster-serverless.json"))];
const NODES: &[Exchange] = &[
    Exchange::ok("GET /v1/clusters/{arn}/nodes HTTP/1.1", include_str!("replies/nodes-1.json")),
    Exchange::ok("GET /v1/clusters/{arn}/nodes?nextToken=AQICAHg%3D HTTP/1.1", include_str!("replies/nodes-2.json")),
];
const NO_TOPIC: &str = r#"{"message":"The requested resource doesn't exist."}"#;
const TOPICS: &[Exchange] = &[
    Exchange::ok(
        "GET /v1/clusters/{arn}/topics/passbook.commands/partitions HTTP/1.1",
        include_str!("replies/partitions-1.json"),
    ),
    Exchange::ok(
        "GET /v1/clusters/{arn}/topics/passbook.commands/partitions?nextToken=AQICAHh%3D HTTP/1.1",
        include_str!("replies/partitions-2.json"),
    ),
    Exchange::ok(
        "GET /v1/clusters/{arn}/topics/passbook.outcomes/partitions HTTP/1.1",
        r#"{"partitions":[{"partition":0,"leader":1,"replicas":[1],"isr":[1]}]}"#,
    ),
    Exchange::refused(
        "GET /v1/clusters/{arn}/topics/passbook.generations/partitions HTTP/1.1",
        "404 Not Found",
        "NotFoundException",
        NO_TOPIC,
    ),
];

#[tokio::test]
async fn a_provisioned_cluster_is_described() {
    let described = ask(PROVISIONED, async |cluster| cluster.describe().await).await.unwrap();
    assert_eq!((described.name.as_str(), described.arn.as_str()), ("passbook", replay::ARN));
    assert_eq!((described.state.as_str(), described.kind.as_str()), ("ACTIVE", "PROVISIONED"));
    assert_eq!(described.created_at.as_deref(), Some("2026-03-02T09:30:00.123Z"));
    assert_eq!(described.kafka_version.as_deref(), Some("3.9.x"));
    let configuration = "arn:aws:kafka:eu-west-1:123456789012:configuration/passbook/6e1f-2 revision 4";
    assert_eq!(described.configuration.as_deref(), Some(configuration));
    let brokers = described.brokers.unwrap();
    assert_eq!((brokers.count, brokers.instance_type.as_deref()), (Some(3), Some("kafka.m7g.large")));
    assert_eq!(brokers.subnets.len(), 3);
    let storage = Storage { gib_per_broker: Some(1000), throughput: Some(250), mode: Some("TIERED".to_owned()) };
    assert_eq!(described.storage, Some(storage));
    let encryption = Encryption {
        at_rest: Some("arn:aws:kms:eu-west-1:123456789012:key/7c1d".to_owned()),
        client_broker: Some("TLS".to_owned()),
        in_cluster: Some(true),
    };
    assert_eq!(described.encryption, Some(encryption));
    assert_eq!(described.authentication, ["SASL/IAM", "SASL/SCRAM", "TLS client certificate"]);
    assert_eq!((described.state_reason, described.action_status.as_deref()), (None, Some("NONE")));
}

#[tokio::test]
async fn of_a_serverless_cluster_aws_tells_less() {
    let described = ask(SERVERLESS, async |cluster| cluster.describe().await).await.unwrap();
    assert_eq!((described.state.as_str(), described.kind.as_str()), ("CREATING", "SERVERLESS"));
    assert_eq!(described.state_reason.as_deref(), Some("InternalError: a subnet has no free address"));
    assert_eq!(described.authentication, ["SASL/IAM"]);
    assert_eq!((described.kafka_version, described.brokers, described.storage), (None, None, None));
}

#[tokio::test]
async fn the_ways_in_are_those_that_are_open() {
    let ways = ways_in(include_str!("replies/bootstrap-brokers.json")).await;
    let names: Vec<_> = ways.iter().map(|way| (way.authentication.name(), way.reach)).collect();
    assert_eq!(
        names,
        [
            ("PLAINTEXT", Reach::Vpc),
            ("TLS", Reach::Vpc),
            ("SASL/SCRAM", Reach::Vpc),
            ("SASL/IAM", Reach::Vpc),
            ("SASL/IAM", Reach::OtherVpcs),
            ("SASL/IAM", Reach::Internet),
        ]
    );
    assert_eq!(ways[5].brokers, ["b-1-public.passbook.abc.c3.kafka.eu-west-1.amazonaws.com:9198"]);
}

#[tokio::test]
async fn brokers_come_in_order_from_every_page() {
    let nodes = ask(NODES, async |cluster| cluster.nodes().await).await.unwrap();
    let addresses: Vec<_> = nodes.iter().map(|node| (node.broker, node.address.as_deref())).collect();
    assert_eq!(addresses, [(Some(1), Some("10.0.1.23")), (Some(2), Some("10.0.2.17"))]);
    assert_eq!(nodes[0].endpoints, ["b-1.passbook.abc.c3.kafka.eu-west-1.amazonaws.com"]);
    let node = &nodes[1];
    let told = [&node.instance_type, &node.kafka_version, &node.subnet].map(|text| text.as_deref().unwrap());
    assert_eq!(told, ["m7g.large", "3.9.x", "subnet-0bb2"]);
}

#[tokio::test]
async fn topics_are_told_with_what_ails_them_and_the_missing_ones_too() {
    let topics = ask(TOPICS, async |cluster| cluster.topics_health().await).await.unwrap();
    let troubles: Vec<_> = topics.iter().map(|topic| (topic.topic.as_str(), topic.troubles())).collect();
    let commands = [
        "partition 1 is out of sync on broker 3",
        "partition 2 has no leader",
        "partition 2 is out of sync on broker 1 and 2",
    ];
    assert_eq!(troubles[0], (COMMANDS, commands.map(str::to_owned).to_vec()));
    assert_eq!(topics[0].replication_factor(), 3);
    assert_eq!(troubles[1], (OUTCOMES, vec![]));
    assert_eq!(troubles[2], (GENERATIONS, vec!["missing".to_owned()]));
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    const NOT_ALLOWED: &[Exchange] = &[Exchange::refused(
        DESCRIBE,
        "403 Forbidden",
        "AccessDeniedException",
        r#"{"Message":"User: arn:aws:iam::123456789012:user/x is not authorized to perform: kafka:DescribeClusterV2"}"#,
    )];
    const UNKNOWN: &[Exchange] = &[Exchange::refused(
        DESCRIBE,
        "403 Forbidden",
        "UnrecognizedClientException",
        r#"{"message":"The security token included in the request is invalid."}"#,
    )];
    const EXPIRED: &[Exchange] =
        &[Exchange::refused(DESCRIBE, "403 Forbidden", "ExpiredTokenException:http://x/", "{}")];
    const ELSEWHERE: &[Exchange] = &[Exchange::refused(DESCRIBE, "404 Not Found", "NotFoundException", NO_TOPIC)];
    const WRONG: &[Exchange] = &[Exchange::refused(
        DESCRIBE,
        "400 Bad Request",
        "BadRequestException",
        r#"{"message":"One or more of the parameters are not valid.","invalidParameter":"clusterArn"}"#,
    )];
    for (exchanges, obstacle, says) in [
        (NOT_ALLOWED, Obstacle::NotAllowed, "; allow kafka:DescribeClusterV2"),
        (UNKNOWN, Obstacle::CredentialsRefused, "token included in the request is invalid. (UnrecognizedClient"),
        (EXPIRED, Obstacle::CredentialsRefused, "check AWS_ACCESS_KEY_ID"),
        (ELSEWHERE, Obstacle::NotThere, "check the ARN, its region eu-west-1"),
        (WRONG, Obstacle::Refused, "parameters are not valid. (BadRequestException)"),
    ] {
        let error = ask(exchanges, async |cluster| cluster.describe().await).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.obstacle, obstacle, "{text}");
        assert!(text.contains(says) && text.contains(replay::ARN), "{text}");
    }
}

/// As the chain of the SDK does where the machine has none.
#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("no provider has any")))
    }
}

#[tokio::test]
async fn without_credentials_or_without_aws_the_error_says_so() {
    let nobody = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let error = cluster(&nobody, SharedCredentialsProvider::new(NoCredentials)).ways_in().await.unwrap_err();
    assert_eq!(error.obstacle, Obstacle::NoCredentials, "{error}");
    assert!(error.to_string().contains("set AWS_ACCESS_KEY_ID"), "{error}");
    let credentials = aws_credential_types::Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    let error = cluster(&nobody, SharedCredentialsProvider::new(credentials)).ways_in().await.unwrap_err();
    assert_eq!(error.obstacle, Obstacle::NotReached, "{error}");
    assert!(error.to_string().contains("region eu-west-1"), "{error}");
}
