//! A map may be chosen by a condition wherever one stands.

use super::*;

#[test]
fn the_environment_may_be_chosen_by_a_condition() {
    let check = |properties: &str, expected: &[(&str, &str)]| {
        let spec = one(properties);
        let variables: Vec<_> = spec.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(variables, expected, "{properties}");
    };
    check("Environment: !If [IsP, {Variables: {V: a}}, {Variables: {V: b}}]", &[("V", "a")]);
    check("Environment: !If [NotP, {Variables: {V: a}}, {Variables: {V: b}}]", &[("V", "b")]);
    check("Environment: !If [NotP, {Variables: {V: a}}, !Ref AWS::NoValue]", &[]);
    check(
        "Environment: {Variables: !If [IsP, {V: !Ref P, W: !FindInMap [M, x, y]}, {}]}",
        &[("V", "p"), ("W", "found")],
    );
    check("Environment: {Variables: !If [NotP, {V: a}, !If [IsP, {W: b}, !Ref AWS::NoValue]]}", &[("W", "b")]);
    check("Environment: {Variables: !If [NotP, {V: a}, !Ref AWS::NoValue]}", &[]);
    check("Environment: {Variables: {Condition: a}}", &[("Condition", "a")]);
}

#[test]
fn what_is_no_map_where_one_belongs_is_a_problem() {
    let check = |properties: &str, path: &str, what: &str| {
        let problems = function_with(properties).expect_err(properties).0;
        let found = problems.iter().any(|problem| problem.path.ends_with(path) && problem.what.contains(what));
        assert!(found && problems.len() == 1, "{properties}: {problems:?}");
    };
    check("Environment: [V]", "F.Properties.Environment", "must be a map");
    check("Environment: {Variables: [V]}", "Environment.Variables", "must be a map");
    check("Environment: {Variables: !Sub 'x'}", "Environment.Variables", "must be a map");
    check("Environment: {Vars: {V: a}}", "Environment.Vars", "not a property");
    check("Environment: !If [Nope, {}, {}]", "F.Properties.Environment", "no condition named Nope");
    check("Environment: {Variables: {V: {'Fn::Transform': {Name: x}}}}", "Variables.V", "--env V=VALUE");
    check("Events: [K]", "F.Properties.Events", "must be a map");
    check("Events: {K: [a]}", "Events.K", "must be a map");
    check("Events: {K: {Type: MSK, Properties: [a]}}", "Events.K.Properties", "must be a map");
    check("Events: {K: {Properties: {}}}", "Events.K", "needs a Type");
}

#[test]
fn resources_that_are_no_maps_are_problems() {
    let check = |text: &str, path: &str| {
        let problems = read(text, &inputs(&[])).expect_err(text).0;
        assert!(problems.iter().any(|problem| problem.path == path && problem.what.contains("map")), "{problems:?}");
    };
    check("Resources: {F: {Type: 'AWS::Serverless::Function', Properties: [Runtime]}}", "Resources.F.Properties");
    check("Resources: [F]", "Resources");
    check("Parameters: [P]\nResources: {}", "Parameters");
    check("Globals: {Function: [P]}\nResources: {}", "Globals.Function");
}

#[test]
fn events_may_be_chosen_by_a_condition() {
    let event = "{Type: MSK, Properties: {Stream: 'arn:aws:kafka:eu-west-1:1:cluster/c/1', Topics: [t], StartingPosition: \
                 LATEST}}";
    for events in [
        format!("!If [IsP, {{K: {event}}}, !Ref AWS::NoValue]"),
        format!("{{K: !If [IsP, {event}, !Ref AWS::NoValue]}}"),
        format!("{{K: {event}, L: !If [NotP, {event}, !Ref AWS::NoValue]}}"),
    ] {
        assert_eq!(one(&format!("Events: {events}")).kafka.len(), 1, "{events}");
    }
}

#[test]
fn conditions_that_build_on_each_other_are_evaluated_once_each() {
    let mut conditions = "C0: !Equals [a, a]".to_owned();
    for n in 1..=64 {
        let before = n - 1;
        conditions += &format!(", C{n}: !And [!Condition C{before}, !Condition C{before}]");
    }
    let text = format!(
        "Conditions: {{{conditions}}}\nResources: {{F: {{Type: 'AWS::Serverless::Function', Condition: C64, Properties: \
         {{Runtime: provided.al2023}}}}}}"
    );
    assert_eq!(read(&text, &inputs(&[])).expect("a good template").functions.len(), 1);
}
