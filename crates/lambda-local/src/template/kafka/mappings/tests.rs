use std::time::Duration;

use super::*;
use crate::template::{Inputs, Problems, StartingPosition, Template, read as read_template};

/// A template with the functions `F` (run as `f`) and `G` (Python) and a mapping of these properties.
fn mapping(rest: &str, properties: &str) -> Result<Template, Problems> {
    let text = format!(
        "Parameters: {{Brokers: {{Type: String, Default: 'a:1,b:2'}}}}\nConditions: {{Never: !Equals [a, b], Always: \
         !Equals [a, a]}}\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Metadata: {{BuildProperties: \
         {{Binary: f}}}}\n    Properties: {{FunctionName: on-aws, Runtime: provided.al2023}}\n  G:\n    Type: \
         AWS::Serverless::Function\n    Properties: {{Runtime: python3.12}}\n  Gone:\n    Type: \
         AWS::Serverless::Function\n    Condition: Never\n    Properties: {{Runtime: provided.al2023}}\n  M:\n    Type: \
         AWS::Lambda::EventSourceMapping\n    {rest}\n    Properties: {{{properties}}}\n"
    );
    read_template(&text, &Inputs { region: "eu-west-1".to_owned(), ..Inputs::default() })
}

const SELF_MANAGED: &str = "Topics: [t], StartingPosition: TRIM_HORIZON, SelfManagedEventSource: {Endpoints: \
                            {KafkaBootstrapServers: !Split [',', !Ref Brokers]}}";
const MSK: &str = "Topics: [t], StartingPosition: LATEST, EventSourceArn: \
                   'arn:aws:kafka:eu-west-1:123456789012:cluster/c/1'";

fn one(properties: &str) -> KafkaSource {
    let mut functions = mapping("", &format!("FunctionName: !Ref F, {properties}")).expect(properties).functions;
    functions.remove(0).kafka.remove(0)
}

#[test]
fn self_managed_brokers_and_their_group_are_read() {
    let source = one(&format!(
        "{SELF_MANAGED}, SelfManagedKafkaEventSourceConfig: {{ConsumerGroupId: g}}, BatchSize: 5000, \
         MaximumBatchingWindowInSeconds: 2, ProvisionedPollerConfig: {{MinimumPollers: 2}}, FunctionResponseTypes: \
         [ReportBatchItemFailures], MaximumRetryAttempts: 3, BisectBatchOnFunctionError: true, Enabled: false, Tags: []"
    ));
    assert_eq!(source.bootstrap_servers, ["a:1", "b:2"]);
    assert_eq!((source.name.as_str(), source.topic.as_str(), source.group.as_str()), ("M", "t", "g"));
    assert_eq!((source.cluster_arn, source.starting_position), (None, StartingPosition::TrimHorizon));
    assert_eq!((source.batch_size, source.window, source.pollers), (5_000, Duration::from_secs(2), 2));
    assert_eq!((source.report_item_failures, source.enabled), (true, false));
    assert_eq!((source.retry.attempts, source.retry.bisect), (Some(3), true));
}

#[test]
fn an_msk_cluster_and_its_group_are_read() {
    let source = one(&format!("{MSK}, AmazonManagedKafkaEventSourceConfig: {{ConsumerGroupId: g}}"));
    assert_eq!(source.cluster_arn.as_deref(), Some("arn:aws:kafka:eu-west-1:123456789012:cluster/c/1"));
    assert_eq!((source.bootstrap_servers.len(), source.group.as_str()), (0, "g"));
    assert_eq!(one(MSK).group, "lambda-local-M", "a group of its own unless it is named");
}

#[test]
fn the_function_is_named_as_on_aws() {
    for name in [
        "!Ref F",
        "!GetAtt F.Arn",
        "!Sub '${F.Arn}:live'",
        "f",
        "on-aws",
        "'on-aws:live'",
        "'123456789012:function:on-aws'",
        "'arn:aws:lambda:eu-west-1:123456789012:function:on-aws:7'",
    ] {
        let template = mapping("", &format!("FunctionName: {name}, {MSK}")).expect(name);
        assert_eq!(template.functions[0].kafka.len(), 1, "{name}");
    }
}

#[test]
fn a_mapping_exists_when_its_condition_holds() {
    for (rest, sources) in [("Condition: Always", 1), ("Condition: Never", 0)] {
        let template = mapping(rest, &format!("FunctionName: !Ref F, {MSK}")).expect(rest);
        assert_eq!(template.functions[0].kafka.len(), sources, "{rest}");
    }
}

#[test]
fn what_is_wrong_is_a_problem_named_by_its_path() {
    let check = |properties: &str, path: &str, what: &str| {
        let problems = mapping("", properties).expect_err(properties).0;
        let path = format!("Resources.M.Properties.{path}");
        let found = problems.iter().any(|problem| problem.path == path && problem.what.contains(what));
        assert!(found, "{properties}: {problems:?}");
    };
    let of_f = |properties: &str| format!("FunctionName: !Ref F, {properties}");
    check(MSK, "FunctionName", "names the function");
    check(&format!("FunctionName: nope, {MSK}"), "FunctionName", "nope is not a function of this template");
    check(&format!("FunctionName: !Ref Gone, {MSK}"), "FunctionName", "is not a function of this template");
    check(&of_f(&format!("{MSK}, SelfManagedEventSource: {{}}")), "SelfManagedEventSource", "one of the two");
    check(&of_f("Topics: [t], StartingPosition: LATEST"), "SelfManagedEventSource", "is needed");
    check(&of_f("Topics: [t], EventSourceArn: 'arn:aws:sqs:eu-west-1:123456789012:q'"), "EventSourceArn", "MSK");
    check(&of_f("Topics: [t], SelfManagedEventSource: {}"), KAFKA_BOOTSTRAP_SERVERS, "needs the brokers");
    let api_spelling = "Topics: [t], SelfManagedEventSource: {Endpoints: {KAFKA_BOOTSTRAP_SERVERS: ['a:1']}}";
    check(&of_f(api_spelling), "SelfManagedEventSource.Endpoints.KAFKA_BOOTSTRAP_SERVERS", "not a property");
    let no_port = "Topics: [t], SelfManagedEventSource: {Endpoints: {KafkaBootstrapServers: [a]}}";
    check(&of_f(no_port), KAFKA_BOOTSTRAP_SERVERS, "host:port");
    check(&of_f(&format!("{MSK}, BatchSize: 10001")), "BatchSize", "1 to 10000");
    check(&of_f(&MSK.replace("LATEST", "AT_TIMESTAMP")), "StartingPosition", "needs StartingPositionTimestamp");
    check(&of_f(&MSK.replace("[t]", "[t, u]")), "Topics", "exactly one topic");
    check(&of_f(&format!("{MSK}, ConsumerGroupId: g")), "ConsumerGroupId", "not a property");
    let other_config = format!("{MSK}, SelfManagedKafkaEventSourceConfig: {{ConsumerGroupId: g}}");
    check(&of_f(&other_config), "SelfManagedKafkaEventSourceConfig", "not a property");
    check(&of_f(&format!("{MSK}, ParallelizationFactor: 2")), "ParallelizationFactor", "not a property");
}

const KAFKA_BOOTSTRAP_SERVERS: &str = "SelfManagedEventSource.Endpoints.KafkaBootstrapServers";

#[test]
fn what_is_not_emulated_is_listed() {
    let check = |properties: &str, line: &str| {
        let template = mapping("", properties).expect(properties);
        assert!(template.not_supported.iter().any(|told| told.starts_with(line)), "{:?}", template.not_supported);
    };
    let of_f = |properties: &str| format!("FunctionName: !Ref F, {MSK}, {properties}");
    check(&of_f("FilterCriteria: {}"), "Resources.M.Properties.FilterCriteria: records are not filtered");
    check(&of_f("MetricsConfig: {}"), "Resources.M.Properties.MetricsConfig: metrics");
    check(&of_f("MaximumRetryAttempts: 1"), "Resources.M.Properties.ProvisionedPollerConfig: is missing");
    check(
        &of_f("AmazonManagedKafkaEventSourceConfig: {SchemaRegistryConfig: {}}"),
        "Resources.M.Properties.AmazonManagedKafkaEventSourceConfig.SchemaRegistryConfig: records",
    );
    check(&format!("FunctionName: !Ref G, {MSK}"), "Resources.M.Properties.FunctionName: G is not run here");
    check("FunctionName: !Ref F, EventSourceArn: !GetAtt Queue.Arn", "Resources.M: only Kafka is polled");
}
