//! A YAML (or JSON) template as plain JSON values: CloudFormation's short tags (`!Ref x`) become their long form
//! (`{"Ref": x}`), aliases (`*x`) what they stand for, and merge keys (`<<`) the entries they bring, so that everything
//! after this step knows one spelling only.
//!
//! Bounds: a text of 1 MB, as AWS's; [`values::MOST_VALUES`] values, aliases written out; 128 of them inside one another.

use serde_json::{Map, Value};

use super::problems::Findings;

mod merge;
mod values;

/// The intrinsic functions CloudFormation has a short tag for. `Ref` and `Condition` have no `Fn::` in their long form.
const TAGS: [&str; 20] = [
    "And",
    "Base64",
    "Cidr",
    "Condition",
    "Contains",
    "Equals",
    "FindInMap",
    "ForEach",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "Ref",
    "Select",
    "Split",
    "Sub",
];

/// Most bytes of a template's text: what CloudFormation takes.
const MOST_BYTES: usize = 1024 * 1024;

/// Parses a template's text.
pub(crate) fn parse(text: &str, findings: &Findings) -> Value {
    if text.len() > MOST_BYTES {
        findings.problem("template", "is larger than 1 MB, the most that CloudFormation takes");
        return Value::Null;
    }
    values::read(text, findings).unwrap_or_else(|error| {
        findings.problem("template", format!("is not readable YAML: {error}"));
        Value::Null
    })
}

fn long_form(tag: &str, value: Value, path: &str, findings: &Findings) -> Value {
    if !TAGS.contains(&tag) && tag != "ToJsonString" && tag != "Transform" {
        findings.problem(path, format!("!{tag} is not a tag of CloudFormation"));
        return Value::Null;
    }
    let (name, value) = match (tag, value) {
        ("Ref" | "Condition", value) => (tag.to_owned(), value),
        ("GetAtt", Value::String(text)) => {
            let (resource, attribute) = text.split_once('.').unwrap_or((&text, ""));
            ("Fn::GetAtt".to_owned(), Value::from(vec![resource, attribute]))
        }
        (_, value) => (format!("Fn::{tag}"), value),
    };
    Value::Object(Map::from_iter([(name, value)]))
}

/// The intrinsic function this value is a call of, with its argument: an object of exactly one key.
pub(crate) fn intrinsic(value: &Value) -> Option<(&str, &Value)> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    let (name, argument) = map.iter().next()?;
    (name == "Ref" || name == "Condition" || name.starts_with("Fn::")).then_some((name.as_str(), argument))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(yaml: &str, expected: Value) {
        let findings = Findings::default();
        assert_eq!(parse(yaml, &findings), expected, "{yaml}");
        assert_eq!(findings.into_result(), Ok(vec![]));
    }

    #[test]
    fn short_tags_become_their_long_form() {
        check("a: !Ref B", json!({"a": {"Ref": "B"}}));
        check("a: !GetAtt B.Arn", json!({"a": {"Fn::GetAtt": ["B", "Arn"]}}));
        check("a: !GetAtt B.Outputs.X", json!({"a": {"Fn::GetAtt": ["B", "Outputs.X"]}}));
        check("a: !Sub '${B}'", json!({"a": {"Fn::Sub": "${B}"}}));
        check("a: !Condition B", json!({"a": {"Condition": "B"}}));
        check(
            "a: !If [C, !Ref B, !Ref AWS::NoValue]",
            json!({"a": {"Fn::If": ["C", {"Ref": "B"}, {"Ref": "AWS::NoValue"}]}}),
        );
        check("a: !Split [',', !Ref B]", json!({"a": {"Fn::Split": [",", {"Ref": "B"}]}}));
        check("{\"a\": {\"Ref\": \"B\"}, \"1\": 2}", json!({"a": {"Ref": "B"}, "1": 2}));
    }

    #[test]
    fn an_unknown_tag_is_a_problem_named_by_its_path() {
        let findings = Findings::default();
        parse("a: [{b: !Reff C}]", &findings);
        let problems = findings.into_result().expect_err("a problem");
        assert_eq!(problems.0[0].path, "a[0].b");
    }
}
