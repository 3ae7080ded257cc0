//! The values of a template's `Parameters`: given ones first, then defaults, held to their rules as CloudFormation does
//! ([`rules`]).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::problems::{Findings, Reported};
use super::resolve::scalar_text;

mod rules;

/// What a declaration of a parameter has beside its rules.
const PROPERTIES: [&str; 5] = ["ConstraintDescription", "Default", "Description", "NoEcho", "Type"];

/// One value for each declared parameter; a parameter without one is reported here, and only here.
pub(crate) fn values(
    declared: &Map<String, Value>,
    given: &BTreeMap<String, String>,
    findings: &Findings,
) -> BTreeMap<String, Result<Value, Reported>> {
    for name in given.keys().filter(|name| !declared.contains_key(*name)) {
        let known: Vec<&str> = declared.keys().map(String::as_str).collect();
        findings.problem(&format!("--parameter {name}"), format!("the template declares only: {}", known.join(", ")));
    }
    let value = |(name, declaration): (&String, &Value)| {
        (name.clone(), value(name, declaration, given.get(name).map(String::as_str), findings))
    };
    declared.iter().map(value).collect()
}

fn value(name: &str, declaration: &Value, given: Option<&str>, findings: &Findings) -> Result<Value, Reported> {
    let path = format!("Parameters.{name}");
    let Some(kind) = declaration.get("Type").and_then(Value::as_str) else {
        return Err(findings.problem(&path, "needs a Type"));
    };
    let text = text(&path, name, kind, declaration, given, findings)?;
    let list = is_list(kind);
    let items: Vec<&str> = if list { text.split(',').map(str::trim).collect() } else { vec![&text] };
    rules::check(&path, kind, declaration, &items, findings)?;
    Ok(if list { items.into_iter().map(Value::from).collect() } else { Value::String(text) })
}

fn text(
    path: &str,
    name: &str,
    kind: &str,
    declaration: &Value,
    given: Option<&str>,
    findings: &Findings,
) -> Result<String, Reported> {
    let default = declaration.get("Default");
    match (given, default.map(scalar_text)) {
        (Some(text), _) => Ok(text.to_owned()),
        (None, Some(_)) if kind.starts_with("AWS::SSM::") => {
            Err(findings.problem(path, format!("is read from SSM on AWS: give --parameter {name}=VALUE")))
        }
        (None, Some(Some(text))) => Ok(text),
        (None, Some(None)) => Err(findings.problem(path, "Default must be a text")),
        (None, None) => Err(findings.problem(path, format!("has no default: give --parameter {name}=VALUE"))),
    }
}

/// What a parameter that is read from SSM is in the end.
fn kind_of_value(kind: &str) -> &str {
    kind.strip_prefix("AWS::SSM::Parameter::Value<").and_then(|kind| kind.strip_suffix('>')).unwrap_or(kind)
}

fn is_list(kind: &str) -> bool {
    let kind = kind_of_value(kind);
    kind == "CommaDelimitedList" || kind.starts_with("List<")
}

fn is_number(kind: &str) -> bool {
    matches!(kind_of_value(kind), "Number" | "List<Number>")
}
