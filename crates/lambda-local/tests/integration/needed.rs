//! What of a template each command needs, and what it is not asked for.

use std::process::{Command, Output};

use crate::support::{TEMPLATE, folder, run};

/// A function whose variables only AWS knows, fed from a cluster that only AWS knows.
const ONLY_ON_AWS: &str = "
Resources:
  Reader:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: reader}}
    Properties:
      Runtime: provided.al2023
      MemorySize: !ImportValue memory
      Environment: {Variables: {SECRET: '{{resolve:ssm:secret}}', QUEUE: !GetAtt Queue.Arn}}
      Events:
        Records:
          Type: MSK
          Properties: {Stream: !ImportValue cluster, Topics: [t], ConsumerGroupId: g, StartingPosition: LATEST}
  Queue: {Type: 'AWS::SQS::Queue'}
";

fn ends(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lambda-local")).args(arguments).output().unwrap()
}

fn says(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn poll_needs_no_variables_of_functions_that_run_elsewhere() {
    let folder = folder(ONLY_ON_AWS);
    let template = folder.path().join("template.yaml").to_str().unwrap().to_owned();
    let words = ["poll", "--template", &template, "--invoke", "http://127.0.0.1:1", "--listen", "127.0.0.1:0"];
    let program = run(&[&words[..], &["--msk-bootstrap-servers", "127.0.0.1:1"]].concat());
    assert_eq!(program.status().await["event_sources"][0]["topic"], "t");
    program.stop().await;
}

#[test]
fn record_needs_no_variables_either() {
    let folder = folder(ONLY_ON_AWS);
    let template = folder.path().join("template.yaml").to_str().unwrap().to_owned();
    let output = ends(&["record", "--template", &template, "--partition", "0", "--from", "0", "--count", "1"]);
    assert!(says(&output).contains("--msk-bootstrap-servers"), "all it misses are the brokers: {}", says(&output));
}

#[test]
fn poll_and_record_do_not_take_what_has_no_effect_on_them() {
    for command in ["poll", "record"] {
        for flag in ["--env", "--binaries", "--log-dir", "--function"] {
            let output = ends(&[command, flag, "A=b"]);
            let said = says(&output);
            assert!(
                output.status.code() == Some(2) && said.contains(&format!("argument '{flag}'")),
                "{command}: {said}"
            );
        }
    }
    let output = ends(&["record", "--fast-retry"]);
    assert_eq!(output.status.code(), Some(2), "it retries nothing");
    let output = ends(&["start", "--no-event-sources", "--msk-bootstrap-servers", "a:1"]);
    assert!(output.status.code() == Some(2) && says(&output).contains("cannot be used with"), "{}", says(&output));
}

#[tokio::test]
async fn a_function_that_is_not_asked_for_need_not_be_known() {
    let text = "
Globals: {Function: {Runtime: provided.al2023}}
Resources:
  Single: {Type: 'AWS::Serverless::Function', Metadata: {BuildProperties: {Binary: single}}}
  Multi:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: multi}}
    Properties: {Timeout: !ImportValue t, Nope: 1}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Multi, EventSourceArn: !ImportValue c, Topics: [!ImportValue t], StartingPosition: LATEST}
";
    let folder = folder(text);
    let path = folder.path().to_str().unwrap();
    let template = format!("{path}/template.yaml");
    let words = ["start", "--template", &template, "--binaries", path, "--listen", "127.0.0.1:0", "--function"];
    let program = run(&[&words[..], &["Single"]].concat());
    assert_eq!(program.status().await["functions"][0]["name"], "single");
    assert_eq!(program.status().await["not_supported"], serde_json::json!([]), "nothing about the other one");
    let said = says(&ends(&[&words[..], &["multi"]].concat()));
    for path in ["Multi.Properties.Timeout", "Multi.Properties.Nope", "Mapping.Properties.Topics[0]"] {
        assert!(said.contains(path), "{path}: {said}");
    }
}

#[tokio::test]
async fn without_event_sources_what_they_read_need_not_be_known() {
    let events = "Events: {K: {Type: SelfManagedKafka, Properties: {KafkaBootstrapServers: !ImportValue b}}}";
    let closed = "{ReservedConcurrentExecutions: 0}";
    let text = TEMPLATE.replace(closed, &format!("{{ReservedConcurrentExecutions: 0, {events}}}"));
    let folder = folder(&text);
    let path = folder.path().to_str().unwrap();
    let template = format!("{path}/template.yaml");
    let words = ["start", "--template", &template, "--binaries", path, "--listen", "127.0.0.1:0"];
    let program = run(&[&words[..], &["--no-event-sources"]].concat());
    assert!(program.is_ready().await);
    let said = says(&ends(&words));
    assert!(said.contains("KafkaBootstrapServers: ") && said.contains("--parameter"), "{said}");
}
