//! `passbook msk describe` as an operator runs it, against AWS's answers as they were recorded.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};

const ARN: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/passbook/0b8a1c6e-5e1a-4b1d-9a37-6f9d2f1b7a10-3";
const FORBIDDEN: &str = r#"{"message":"User: arn:aws:iam::123456789012:user/x is not authorized"}"#;
const MISSING: &str = r#"{"message":"The requested resource doesn't exist."}"#;
const ONE_PARTITION: &str = r#"{"partitions":[{"partition":0,"leader":1,"replicas":[1,2],"isr":[1,2]}]}"#;

macro_rules! reply {
    ($name:literal) => {
        include_str!(concat!("../../ledger-log/src/msk/replies/", $name, ".json"))
    };
}

/// What stands in a request's address, and how it is answered: status, kind of error, body. The first that fits counts.
type Answers = &'static [(&'static str, &'static str, &'static str, &'static str)];

const OK: &str = "200 OK";

const ALL_WELL: Answers = &[
    ("/api/v2/clusters/", OK, "", reply!("cluster-provisioned")),
    ("/bootstrap-brokers", OK, "", reply!("bootstrap-brokers")),
    ("/nodes?", OK, "", reply!("nodes-2")),
    ("/nodes", OK, "", reply!("nodes-1")),
    ("/passbook.commands/partitions?", OK, "", reply!("partitions-2")),
    ("/passbook.commands/", OK, "", reply!("partitions-1")),
    ("/passbook.outcomes/", OK, "", ONE_PARTITION),
    ("/passbook.generations/", "404 Not Found", "NotFoundException", MISSING),
];

/// Answers for as long as the test process lives.
fn serve(answers: Answers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), answers);
        }
    });
    endpoint
}

fn answer(mut stream: TcpStream, answers: Answers) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    let request = lines.next().unwrap();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let found = answers.iter().find(|(address, ..)| request.contains(address));
    let (_, status, error, body) = found.unwrap_or(&("", "404 Not Found", "NotFoundException", MISSING));
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nx-amzn-errortype: {error}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).unwrap();
}

fn describe(endpoint: &str, words: &[&str], set: &[(&str, &str)]) -> Output {
    let mut passbook = Command::new(env!("CARGO_BIN_EXE_passbook"));
    passbook.args(["msk", "describe", "--timeout", "1"]).args(words).env_clear();
    // Nobody has credentials but those that a test sets, and no machine of AWS is asked for any.
    passbook.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_CONFIG_FILE", "/dev/null");
    passbook.env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null").env("AWS_ENDPOINT_URL_KAFKA", endpoint);
    passbook.envs(set.iter().copied()).output().unwrap()
}

const CREDENTIALS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_cluster_is_told_from_end_to_end() {
    let (code, out, err) = said(&describe(&serve(ALL_WELL), &["--cluster-arn", ARN], &CREDENTIALS));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert_eq!(out, include_str!("msk/described.txt"));
}

#[test]
fn json_tells_the_same() {
    let set = [CREDENTIALS[0], CREDENTIALS[1], ("MSK_CLUSTER_ARN", ARN)];
    let (code, out, err) = said(&describe(&serve(ALL_WELL), &["--json"], &set));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["cluster"]["kafka_version"], "3.9.x");
    assert_eq!(told["ways_in"][3]["authentication"], "SASL/IAM");
    assert_eq!(told["nodes"][0]["broker"], 1);
    assert_eq!(told["topics"]["told_by"], "aws");
    assert_eq!(told["topics"]["topics"][0]["partitions"][2]["leader"], serde_json::Value::Null);
    assert_eq!(told["unknown"], serde_json::json!([]));
}

#[test]
fn what_cannot_be_learnt_is_named_and_the_rest_is_told() {
    const NO_TOPICS: Answers = &[
        ("/api/v2/clusters/", OK, "", reply!("cluster-provisioned")),
        ("/bootstrap-brokers", OK, "", r#"{"bootstrapBrokerStringSaslIam":"127.0.0.1:1"}"#),
        ("/nodes", "403 Forbidden", "AccessDeniedException", FORBIDDEN),
        ("/topics/", "403 Forbidden", "AccessDeniedException", FORBIDDEN),
    ];
    let (code, out, err) = said(&describe(&serve(NO_TOPICS), &["--cluster-arn", ARN], &CREDENTIALS));
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("state       ACTIVE") && out.contains("127.0.0.1:1") && !out.contains("partitions"), "{out}");
    for says in [
        "nodes: AWS did not answer ListNodes",
        "allow kafka:ListNodes",
        "kafka-cluster:DescribeTopic and kafka-cluster:DescribeTopicDynamicConfiguration on its topics",
        "and of the brokers: passbook.commands cannot be read within 1000 ms",
    ] {
        assert!(err.contains(says), "{says}: {err}");
    }
}

/// What AWS answers, the words and the variables given; the exit code and what is complained of.
type Case<'a> = (Answers, &'a [&'a str], &'a [(&'a str, &'a str)], i32, &'a str);

#[test]
fn each_mistake_is_said_with_what_mends_it() {
    const FORBIDDEN_ALL: Answers = &[("/", "403 Forbidden", "AccessDeniedException", FORBIDDEN)];
    const NOWHERE: Answers = &[];
    let arn = ["--cluster-arn", ARN];
    let cases: [Case<'_>; 5] = [
        (ALL_WELL, &[], &CREDENTIALS, 2, "which cluster? Give --cluster-arn, or set MSK_CLUSTER_ARN"),
        (
            ALL_WELL,
            &["--cluster-arn", "arn:aws:s3:::b"],
            &CREDENTIALS,
            2,
            "it is an ARN of something else than Amazon MSK",
        ),
        (ALL_WELL, &arn, &[], 1, "there are no AWS credentials"),
        (FORBIDDEN_ALL, &arn, &CREDENTIALS, 1, "allow kafka:DescribeClusterV2"),
        (NOWHERE, &arn, &CREDENTIALS, 1, "check the ARN, its region eu-west-1"),
    ];
    for (answers, words, set, code, says) in cases {
        let (ended, out, err) = said(&describe(&serve(answers), words, set));
        assert_eq!((ended, out.as_str()), (code, ""), "{says}: {err}");
        assert!(err.contains(says), "{says}: {err}");
    }
}
