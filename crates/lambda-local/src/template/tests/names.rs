//! What functions are called.

use super::*;

/// Two functions, `A` and `B`, with these metadata and properties.
fn two(a: (&str, &str), b: (&str, &str)) -> Result<Template, Problems> {
    let function = |(metadata, properties): (&str, &str)| {
        format!(
            "{{Type: 'AWS::Serverless::Function', Metadata: {{{metadata}}}, Properties: {{Runtime: provided.al2023, \
             {properties}}}}}"
        )
    };
    let text = format!(
        "Parameters: {{Stage: {{Type: String, Default: test}}}}\nConditions: {{Never: !Equals [a, b]}}\nResources: {{A: {}, \
         B: {}}}",
        function(a),
        function(b)
    );
    read(&text, &inputs(&[]))
}

const BINARY_A: &str = "BuildProperties: {Binary: a}";

#[test]
fn a_function_name_may_be_an_expression() {
    let check = |metadata: &str, function_name: &str, name: &str, known: &str| {
        let template = two((metadata, &format!("FunctionName: {function_name}")), ("", "")).expect(function_name);
        let spec = &template.functions[0];
        assert_eq!(spec.name, name, "{function_name}");
        assert!(spec.names().any(|other| other == known), "{function_name}: {:?}", spec.names().collect::<Vec<_>>());
    };
    check("", "!Sub '${AWS::StackName}-a'", "local-a", "A");
    check("", "!Join ['-', [a, !Ref Stage]]", "a-test", "a-test");
    check("", "!If [Never, x, !Ref AWS::NoValue]", "A", "A");
    check("", "!Sub '${B}-of-a'", "B-of-a", "A");
    check(BINARY_A, "!Sub 'a-${Stage}'", "a", "a-test");
    check(BINARY_A, "'written-out'", "a", "written-out");
}

#[test]
fn a_function_name_only_aws_knows_is_listed_and_the_function_runs_under_another() {
    let template = two(("", "FunctionName: !ImportValue a"), ("", "")).expect("a good template");
    assert_eq!(template.functions[0].name, "A");
    let line = "Resources.A.Properties.FunctionName: ";
    assert!(template.not_supported.iter().any(|told| told.starts_with(line)), "{:?}", template.not_supported);
}

#[test]
fn what_is_no_name_is_refused() {
    let check = |a: (&str, &str), path: &str, what: &str| {
        let problems = two(a, ("", "")).expect_err(path).0;
        let found = problems.iter().any(|problem| problem.path == path && problem.what.contains(what));
        assert!(found, "{problems:?}");
    };
    let function_name = "Resources.A.Properties.FunctionName";
    check(("", "FunctionName: 'a:live'"), function_name, "letters, digits, - and _");
    check(("", "FunctionName: 'a b'"), function_name, "letters, digits, - and _");
    check(("", "FunctionName: ''"), function_name, "letters, digits, - and _");
    check(("", &format!("FunctionName: {}", "a".repeat(65))), function_name, "at most 64");
    check(("", "FunctionName: !Ref Nope"), function_name, "neither a parameter nor a resource");
    let binary = "Resources.A.Metadata.BuildProperties.Binary";
    check(("BuildProperties: {Binary: ../a}", ""), binary, "letters, digits, - and _");
    check(("BuildProperties: {Binary: !Ref Stage}", ""), binary, "must be a text");
}

#[test]
fn two_functions_that_share_any_of_their_names_are_refused() {
    let check = |a: (&str, &str), b: (&str, &str), name: &str| {
        let problems = two(a, b).expect_err(name).to_string();
        let told = format!("Resources.B: is called {name}, as Resources.A is");
        assert!(problems.contains(&told), "{problems}");
    };
    check((BINARY_A, ""), (BINARY_A, ""), "a");
    check((BINARY_A, ""), ("", "FunctionName: a"), "a");
    check(("", "FunctionName: B"), ("", ""), "B");
    check((BINARY_A, "FunctionName: x"), ("BuildProperties: {Binary: b}", "FunctionName: !Sub x"), "x");
    let template = two((BINARY_A, "FunctionName: a"), ("", "FunctionName: b")).expect("each its own names");
    assert_eq!(template.functions.len(), 2);
}

#[test]
fn two_functions_may_share_a_name_when_only_one_of_them_exists() {
    let function = |condition: &str, memory: u32| {
        format!(
            "{{Type: 'AWS::Serverless::Function', Condition: {condition}, Metadata: {{BuildProperties: {{Binary: f}}}}, \
             Properties: {{Runtime: provided.al2023, MemorySize: {memory}}}}}"
        )
    };
    let text = |other: &str| {
        let (one, two) = (function("Big", 512), function(other, 128));
        format!("Conditions: {{Big: !Equals [a, a], Small: !Not [!Condition Big]}}\nResources: {{A: {one}, B: {two}}}")
    };
    let functions = read(&text("Small"), &inputs(&[])).expect("a good template").functions;
    assert_eq!(functions.iter().map(|spec| (spec.name.as_str(), spec.memory_mb)).collect::<Vec<_>>(), [("f", 512)]);
    let problems = read(&text("Big"), &inputs(&[])).expect_err("both exist");
    assert!(problems.to_string().contains("Resources.B: is called f, as Resources.A is"), "{problems}");
}
