//! A value is needed, or it need not be known.

use super::*;

const SOURCE: &str = "Topics: [t], StartingPosition: LATEST";

#[test]
fn what_has_no_effect_here_need_not_be_known() {
    let check = |properties: &str| {
        one(properties);
    };
    check("Architectures: !ImportValue a");
    check("Tracing: !ImportValue t");
    check("CodeUri: {Bucket: !ImportValue b, Key: k}");
    check("CodeUri: !Sub 's3://${Table.Arn}/key'");
    check("FunctionUrlConfig: {AuthType: !ImportValue a}");
    check("VpcConfig: {SubnetIds: !Split [',', !ImportValue s]}");
    let kafka = |properties: &str| {
        check(&format!("Events: {{K: {{Type: SelfManagedKafka, Properties: {{{SOURCE}, {properties}}}}}}}"));
    };
    let brokers = "KafkaBootstrapServers: ['a:1']";
    kafka(&format!("{brokers}, ProvisionedPollerConfig: {{MinimumPollers: 1, PollerGroupName: !ImportValue g}}"));
    kafka(&format!("{brokers}, StartingPositionTimestamp: !ImportValue g"));
    kafka(&format!("{brokers}, DestinationConfig: {{OnFailure: {{Destination: !GetAtt Queue.Arn}}}}"));
    kafka("Enabled: false, KafkaBootstrapServers: [!GetAtt Table.Brokers]");
}

#[test]
fn beside_what_need_not_be_known_the_rest_is_read() {
    let spec = one("CapacityProviderConfig: {Arn: !GetAtt CP.Arn, PerExecutionEnvironmentMaxConcurrency: 4}");
    assert_eq!((spec.environment_concurrency, spec.managed_instances), (4, true));
    let spec =
        one("EventInvokeConfig: {MaximumRetryAttempts: 1, DestinationConfig: {OnFailure: {Type: SQS, Destination: \
                    !GetAtt Queue.Arn}}}");
    assert_eq!(spec.asynchronous.retries, 1);
    let spec = one("FunctionScalingConfig: {MinExecutionEnvironments: !ImportValue x, MaxExecutionEnvironments: 3}");
    assert_eq!(spec.max_environments, Some(3));
}

#[test]
fn the_arn_of_a_cluster_of_the_template_is_made_up() {
    for stream in ["!GetAtt Cluster.Arn", "!Ref Cluster", "!ImportValue cluster", "'{{resolve:ssm:cluster}}'"] {
        let text = format!(
            "Resources:\n  Cluster: {{Type: 'AWS::MSK::Cluster'}}\n  F:\n    Type: AWS::Serverless::Function\n    \
             Properties: {{Runtime: provided.al2023, Events: {{K: {{Type: MSK, Properties: {{{SOURCE}, Stream: \
             {stream}}}}}}}}}"
        );
        let template = read(&text, &inputs(&[])).unwrap_or_else(|problems| panic!("{stream}: {problems}"));
        let arn = template.functions[0].kafka[0].cluster_arn.as_deref();
        assert_eq!(arn, Some("arn:aws:kafka:eu-west-1:123456789012:cluster/local/1"), "{stream}");
        assert!(template.not_supported.iter().any(|line| line.contains("Properties.Stream: ")), "{template:?}");
    }
}

#[test]
fn what_is_needed_and_not_known_says_what_helps() {
    let check = |properties: &str, path: &str, whats: [&str; 2]| {
        let problems = function_with(properties).expect_err(properties).0;
        assert_eq!(problems.len(), 1, "{properties}: {problems:?}");
        let problem = &problems[0];
        assert!(problem.path.ends_with(path), "{properties}: {problem}");
        assert!(whats.iter().all(|what| problem.what.contains(what)), "{properties}: {problem}");
        assert!(path.contains("Variables.V") || !problem.what.contains("--env"), "{properties}: {problem}");
    };
    let parameter = "--parameter NAME=VALUE";
    check("Timeout: !ImportValue t", "F.Properties.Timeout", ["Fn::ImportValue", parameter]);
    check("Timeout: !GetAtt Table.Timeout", "F.Properties.Timeout", ["Table.Timeout exists only on AWS", parameter]);
    check("Handler: '{{resolve:ssm:x}}'", "F.Properties.Handler", ["{{resolve:", parameter]);
    check("Environment: {Variables: {V: !GetAtt Table.Arn}}", "Variables.V", ["only on AWS", "--env V=VALUE"]);
    check("Environment: {Variables: {V: '{{resolve:ssm:x}}'}}", "Variables.V", ["{{resolve:", "--env V=VALUE"]);
    check("Environment: {Variables: {V: !ImportValue x}}", "Variables.V", ["Fn::ImportValue", "--env V=VALUE"]);
    let kafka = |properties: &str, path: &str, whats: [&str; 2]| {
        let properties = format!("Events: {{K: {{Type: SelfManagedKafka, Properties: {{{properties}}}}}}}");
        check(&properties, path, whats);
    };
    let brokers = "K.Properties.KafkaBootstrapServers";
    kafka(
        &format!("{SOURCE}, KafkaBootstrapServers: [!GetAtt Table.B]"),
        &format!("{brokers}[0]"),
        ["only on AWS", parameter],
    );
    kafka(&format!("{SOURCE}, KafkaBootstrapServers: ['{{{{resolve:ssm:b}}}}']"), brokers, ["{{resolve:", parameter]);
    let topic = "KafkaBootstrapServers: ['a:1'], StartingPosition: LATEST, Topics: [!ImportValue t]";
    kafka(topic, "K.Properties.Topics[0]", ["Fn::ImportValue", parameter]);
}
