//! Anchors, aliases and merge keys of YAML.

use super::*;

fn variables(text: &str) -> Vec<(String, String)> {
    let template = read(text, &inputs(&[])).unwrap_or_else(|problems| panic!("{text}: {problems}"));
    template.functions[0].variables.clone().into_iter().collect()
}

#[test]
fn anchors_and_merge_keys_are_read() {
    let text = "
Parameters: {P: {Type: String, Default: p}}
x-base: &base {A: 1, B: !Ref P}
x-more: &more {<<: *base, B: 2, C: 3}
x-function: &function
  Runtime: provided.al2023
  Timeout: 7
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      <<: *function
      MemorySize: 256
      Environment:
        Variables:
          D: 4
          <<: [*more, {A: 9, E: 5}]
          C: own
";
    let expected = [("A", "1"), ("B", "2"), ("C", "own"), ("D", "4"), ("E", "5")];
    assert_eq!(variables(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let template = read(text, &inputs(&[])).expect("a good template");
    assert_eq!((template.functions[0].timeout, template.functions[0].memory_mb), (Duration::from_secs(7), 256));
}

#[test]
fn what_cannot_be_merged_is_a_problem() {
    for merged in ["1", "[1]", "!Ref P", "[{A: 1}, !Ref P]"] {
        let text = format!("Resources: {{F: {{<<: {merged}}}}}");
        let problems = read(&text, &inputs(&[])).expect_err(merged).0;
        let found = problems.iter().any(|problem| problem.path == "Resources.F.<<" && problem.what.contains("map"));
        assert!(found, "{merged}: {problems:?}");
    }
}

#[test]
fn aliases_of_aliases_are_bounded() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..=12 {
        let before = format!("*a{}", n - 1);
        text += &format!("a{n}: &a{n} [{}]\n", vec![before; 10].join(", "));
    }
    let problems = read(&text, &inputs(&[])).expect_err("a bomb").to_string();
    assert!(problems.contains("template: ") && problems.contains("repetition limit"), "{problems}");
}

#[test]
fn one_large_anchor_named_often_is_bounded() {
    let large = "{a: 1}, ".repeat(20_000);
    let text = format!("a: &a [{large}]\nb: [{}]\nResources: {{}}", "*a, ".repeat(20_000));
    let problems = read(&text, &inputs(&[])).expect_err("too much").to_string();
    assert!(problems.contains("aliases"), "{problems}");
}

#[test]
fn one_long_text_named_often_is_bounded() {
    let text = format!("a: &a {}\nb: [{}]\nResources: {{}}", "x".repeat(500_000), "*a, ".repeat(200));
    let problems = read(&text, &inputs(&[])).expect_err("too much").to_string();
    assert!(problems.contains("aliases"), "{problems}");
}

#[test]
fn a_text_larger_than_aws_takes_is_refused() {
    let text = format!("Resources: {{}}\n# {}", "x".repeat(1024 * 1024));
    let problems = read(&text, &inputs(&[])).expect_err("too large").to_string();
    assert!(problems.contains("1 MB"), "{problems}");
}
