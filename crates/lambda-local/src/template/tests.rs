use std::time::Duration;

use super::*;

mod names;
mod needed;
mod parameters;
mod shapes;
mod yaml;

const HEAD: &str = "Transform: AWS::Serverless-2016-10-31\n";

fn inputs(parameters: &[(&str, &str)]) -> Inputs {
    Inputs {
        parameters: parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        region: "eu-west-1".to_owned(),
        base_url: Some("http://127.0.0.1:9000".to_owned()),
        ..Inputs::default()
    }
}

/// A template with one function `F`, whose properties are the given lines.
fn function_with(properties: &str) -> Result<Template, Problems> {
    let indented: String = properties.lines().map(|line| format!("      {line}\n")).collect();
    let text = format!(
        "{HEAD}Parameters:\n  P: {{Type: String, Default: p}}\n  L: {{Type: CommaDelimitedList, Default: 'a, b'}}\n\
         Conditions:\n  IsP: !Equals [!Ref P, p]\n  NotP: !Not [!Condition IsP]\n\
         Mappings: {{M: {{x: {{y: found}}}}}}\n\
         Resources:\n  Table:\n    Type: AWS::DynamoDB::Table\n  F:\n    Type: AWS::Serverless::Function\n    \
         Properties:\n      Runtime: provided.al2023\n{indented}"
    );
    read(&text, &inputs(&[]))
}

fn one(properties: &str) -> FunctionSpec {
    function_with(properties).expect("a good template").functions.remove(0)
}

/// The value an environment variable gets.
fn variable(expression: &str) -> Option<String> {
    one(&format!("Environment:\n  Variables:\n    V: {expression}")).variables.remove("V")
}

#[test]
fn intrinsic_functions_resolve() {
    let check = |expression: &str, expected: &str| {
        assert_eq!(variable(expression).as_deref(), Some(expected), "{expression}");
    };
    check("!Ref P", "p");
    check("!Ref AWS::Region", "eu-west-1");
    check("!Ref Table", "Table");
    check("!Ref F", "F");
    check("!GetAtt F.Arn", "arn:aws:lambda:eu-west-1:123456789012:function:F");
    check("!GetAtt FUrl.FunctionUrl", "http://127.0.0.1:9000/lambda-url/F/");
    check(
        "!Sub 'a ${P} ${!P} ${AWS::AccountId} ${F.Arn}'",
        "a p ${P} 123456789012 arn:aws:lambda:eu-west-1:123456789012:function:F",
    );
    check("!Sub ['${x}/${P}', {x: !Ref P}]", "p/p");
    check("!If [IsP, yes it is, no]", "yes it is");
    check("!If [NotP, 1, 2]", "2");
    check("!Join ['-', [a, !Ref P, c]]", "a-p-c");
    check("!Join ['-', !Ref L]", "a-b");
    check("!Select [1, !Split ['|', 'x|y']]", "y");
    check("!Select [1, !Ref L]", "b");
    check("!FindInMap [M, x, y]", "found");
    check("{'Fn::Base64': hi}", "aGk=");
    check("!If [{'Fn::And': [{Condition: IsP}, {'Fn::Or': [{Condition: NotP}, {Condition: IsP}]}]}, 1, 2]", "1");
    check("true", "true");
    check("12", "12");
    assert_eq!(variable("!Ref AWS::NoValue"), None);
    assert_eq!(variable("!If [IsP, !Ref AWS::NoValue, 1]"), None);
}

#[test]
fn what_cannot_be_known_is_a_problem_named_by_its_path() {
    let check = |properties: &str, path: &str, what: &str| {
        let problems = function_with(properties).expect_err(properties).0;
        let found = problems.iter().any(|problem| problem.path.ends_with(path) && problem.what.contains(what));
        assert!(found, "{properties}: {problems:?}");
    };
    check("Environment: {Variables: {V: !Ref Nope}}", "Variables.V", "neither a parameter nor a resource");
    check("Environment: {Variables: {V: !GetAtt Table.StreamArn}}", "Variables.V", "exists only on AWS");
    check("Environment: {Variables: {V: !GetAtt Nope.Arn}}", "Variables.V", "not a resource");
    check("Environment: {Variables: {V: !ImportValue x}}", "Variables.V", "cannot be resolved");
    check("Environment: {Variables: {V: !If [Nope, 1, 2]}}", "Variables.V", "no condition named Nope");
    check("Environment: {Variables: {V: [1]}}", "Variables.V", "must be a text");
    check("Environment: {Variables: {V: '{{resolve:ssm:x}}'}}", "Variables.V", "resolved by AWS alone");
    check("Environment: {Variables: {AWS_REGION: x}}", "AWS_REGION", "reserved");
    check("Environment: {Variables: {V: !Select [2, [a]]}}", "Variables.V", "no such index");
    check("Timeout: 0", "F.Properties.Timeout", "1 to 900");
    check("Timeout: soon", "F.Properties.Timeout", "1 to 900");
    check("MemorySize: 1", "MemorySize", "128");
    check("Timeuot: 3", "Timeuot", "not a property");
    check("ReservedConcurrentExecutions: -1", "ReservedConcurrentExecutions", "whole number");
    check("FunctionUrlConfig: {AuthType: SOME}", "FunctionUrlConfig.AuthType", "NONE or AWS_IAM");
    check("Events: {K: {Type: SelfManagedKafka, Properties: {}}}", "Topics", "exactly one");
    check("Events: {K: {Type: SelfManagedKafka, Properties: {}}}", "KafkaBootstrapServers", "needs the brokers");
    check("Events: {K: {Type: SelfManagedKafka, Properties: {Topics: [t]}}}", "StartingPosition", "is required");
    check("Events: {K: {Type: MSK, Properties: {Topics: [t]}}}", "Stream", "ARN");
}

#[test]
fn all_problems_are_told_at_once() {
    let problems = function_with("Timeout: 0\nMemorySize: 1\nNope: 2").expect_err("three problems").0;
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn a_condition_that_needs_itself_is_a_problem() {
    let text = "Conditions: {A: !Not [!Condition B], B: !Not [!Condition A]}\nResources: {F: {Type: \
                'AWS::Serverless::Function', Condition: A, Properties: {Runtime: provided.al2023}}}";
    let problems = read(text, &inputs(&[])).expect_err("a cycle");
    assert!(problems.to_string().contains("needs itself"), "{problems}");
}

#[test]
fn a_function_has_the_defaults_of_aws() {
    let spec = one("Handler: bootstrap");
    assert_eq!((spec.timeout, spec.memory_mb, spec.environment_concurrency), (Duration::from_secs(3), 128, 1));
    assert_eq!((spec.reserved_concurrency, spec.url, spec.asynchronous.retries), (None, None, 2));
}

#[test]
fn managed_instances_take_many_requests_at_once() {
    assert_eq!(
        one("CapacityProviderConfig: {Arn: x, PerExecutionEnvironmentMaxConcurrency: 64}").environment_concurrency,
        64
    );
    assert_eq!(one("CapacityProviderConfig: {Arn: x}").environment_concurrency, 8);
    assert_eq!(one("CapacityProviderConfig: !If [NotP, {Arn: x}, !Ref AWS::NoValue]").environment_concurrency, 1);
}

#[test]
fn kafka_sources_are_read() {
    let spec = one("Events:\n  K:\n    Type: SelfManagedKafka\n    Properties:\n      Topics: [t]\n      \
                    KafkaBootstrapServers: !Split [',', 'a:1,b:2']\n      StartingPosition: AT_TIMESTAMP\n      \
                    StartingPositionTimestamp: 7\n      BatchSize: 5000\n      MaximumBatchingWindowInSeconds: 0\n      \
                    ProvisionedPollerConfig: {MinimumPollers: 2}\n      FunctionResponseTypes: [ReportBatchItemFailures]\n      \
                    MaximumRetryAttempts: -1\n      MaximumRecordAgeInSeconds: 60\n      ConsumerGroupId: g");
    let source = &spec.kafka[0];
    assert_eq!((source.topic.as_str(), source.group.as_str(), source.pollers), ("t", "g", 2));
    assert_eq!(source.bootstrap_servers, ["a:1", "b:2"]);
    assert_eq!(source.starting_position, StartingPosition::AtTimestamp(7_000));
    assert_eq!((source.batch_size, source.window, source.report_item_failures), (5_000, Duration::ZERO, true));
    assert_eq!(source.retry.attempts, None);
    assert_eq!(source.retry.max_age, Some(Duration::from_secs(60)));
}

#[test]
fn what_is_not_emulated_is_listed() {
    let check = |properties: &str, path: &str| {
        let template = function_with(properties).expect(properties);
        assert!(template.not_supported.iter().any(|line| line.contains(path)), "{:?}", template.not_supported);
    };
    check("Policies: [x]", "F.Properties.Policies: IAM");
    check("FunctionUrlConfig: {AuthType: AWS_IAM}", "FunctionUrlConfig.AuthType");
    check("Events: {T: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}}", "Events.T: Schedule");
    check("", "Resources: AWS::DynamoDB::Table does not exist here: Table");
    check("VpcConfig: !If [IsP, {SubnetIds: [!GetAtt Nope.Id]}, !Ref AWS::NoValue]", "VpcConfig");
    let template =
        function_with("VpcConfig: !If [NotP, {SubnetIds: [x]}, !Ref AWS::NoValue]").expect("a good template");
    assert_eq!(template.not_supported.len(), 1, "no more than the table: {:?}", template.not_supported);
}

#[test]
fn what_exists_only_on_aws_is_one_line_a_type() {
    let text = "Conditions: {Never: !Equals [a, b]}\nResources:\n  A: {Type: 'AWS::SNS::Topic'}\n  B: {Type: \
                'AWS::SNS::Topic'}\n  C: {Type: 'AWS::SNS::Topic', Condition: Never}\n  F: {Type: \
                'AWS::Serverless::Function', Properties: {Runtime: provided.al2023}}";
    let template = read(text, &inputs(&[])).expect("a good template");
    assert_eq!(template.not_supported, ["Resources: AWS::SNS::Topic does not exist here: A, B"]);
}

#[test]
fn rules_are_asserted() {
    let check = |rule: &str, expected: Option<&str>| {
        let text = format!(
            "Parameters: {{P: {{Type: String, Default: p}}}}\nRules: {{R: {rule}}}\nResources: {{F: {{Type: \
             'AWS::Serverless::Function', Properties: {{Runtime: provided.al2023}}}}}}"
        );
        match (read(&text, &inputs(&[])), expected) {
            (Ok(_), None) => {}
            (Err(problems), Some(what)) => assert_eq!(problems.0[0].to_string(), format!("Rules.R: {what}")),
            (outcome, _) => panic!("{rule}: {outcome:?}"),
        }
    };
    check("{Assertions: [{Assert: !Equals [!Ref P, p]}]}", None);
    check("{Assertions: [{Assert: !Equals [!Ref P, q], AssertDescription: P is q}]}", Some("P is q"));
    check("{Assertions: [{Assert: !Not [!Equals [!Ref P, p]]}]}", Some("does not hold"));
    check("{RuleCondition: !Equals [!Ref P, q], Assertions: [{Assert: !Equals [a, b]}]}", None);
    check("{RuleCondition: !Equals [!Ref P, p], Assertions: [{Assert: !Equals [a, b]}]}", Some("does not hold"));
    check(
        "{Assertions: [{Assert: {'Fn::Sub': x}}]}",
        Some("Fn::Sub is not a condition, or has the wrong number of parts"),
    );
    check("{Assertions: [{AssertDescription: x}]}", Some("an assertion needs an Assert"));
    check("{}", Some("needs Assertions"));
}

#[test]
fn a_variable_given_from_outside_wins_and_need_not_resolve() {
    let text = format!(
        "{HEAD}Resources: {{F: {{Type: 'AWS::Serverless::Function', Metadata: {{BuildProperties: {{Binary: f}}}}, \
         Properties: {{Runtime: provided.al2023, Environment: {{Variables: {{V: !GetAtt Table.Arn, W: w}}}}}}}}}}"
    );
    let mut inputs = inputs(&[]);
    inputs.variables.insert("V".to_owned(), "given".to_owned());
    let spec = read(&text, &inputs).expect("a good template").functions.remove(0);
    assert_eq!((spec.name.as_str(), spec.variables["V"].as_str(), spec.variables["W"].as_str()), ("f", "given", "w"));
}
