//! The values of a template's `Parameters`: given ones first, then defaults, checked as CloudFormation would.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::problems::{Findings, Reported};
use super::resolve::scalar_text;

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
    declared.iter().map(|(name, declaration)| (name.clone(), value(name, declaration, given, findings))).collect()
}

fn value(
    name: &str,
    declaration: &Value,
    given: &BTreeMap<String, String>,
    findings: &Findings,
) -> Result<Value, Reported> {
    let path = format!("Parameters.{name}");
    let kind = declaration.get("Type").and_then(Value::as_str);
    let Some(kind) = kind else { return Err(findings.problem(&path, "needs a Type")) };
    let text = match (given.get(name), declaration.get("Default").and_then(scalar_text)) {
        (Some(text), _) => text.clone(),
        (None, Some(_)) if kind.starts_with("AWS::SSM::") => {
            return Err(findings.problem(&path, format!("is read from SSM on AWS: give --parameter {name}=VALUE")));
        }
        (None, Some(text)) => text,
        (None, None) => return Err(findings.problem(&path, format!("has no default: give --parameter {name}=VALUE"))),
    };
    check_constraints(&path, &text, declaration, findings)?;
    if kind == "CommaDelimitedList" || kind.starts_with("List<") {
        return Ok(text.split(',').map(|item| Value::from(item.trim())).collect());
    }
    if kind == "Number" && !serde_json::from_str::<Value>(&text).is_ok_and(|value| value.is_number()) {
        return Err(findings.problem(&path, format!("{text:?} is not a number")));
    }
    Ok(Value::String(text))
}

fn check_constraints(path: &str, text: &str, declaration: &Value, findings: &Findings) -> Result<(), Reported> {
    if declaration.get("AllowedPattern").is_some() {
        findings.not_supported(path, "AllowedPattern is not checked");
    }
    let limit = |key: &str| declaration.get(key).and_then(scalar_text).and_then(|limit| limit.parse::<i64>().ok());
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let number = text.parse::<i64>().ok();
    let too_small = limit("MinLength").is_some_and(|min| length < min)
        || limit("MinValue").zip(number).is_some_and(|(min, number)| number < min);
    let too_large = limit("MaxLength").is_some_and(|max| length > max)
        || limit("MaxValue").zip(number).is_some_and(|(max, number)| number > max);
    if too_small || too_large {
        return Err(findings.problem(path, format!("{text:?} is outside its declared limits")));
    }
    if let Some(allowed) = declaration.get("AllowedValues").and_then(Value::as_array) {
        let allowed: Vec<String> = allowed.iter().filter_map(scalar_text).collect();
        if !allowed.iter().any(|value| value == text) {
            return Err(findings.problem(path, format!("{text:?} is not one of {}", allowed.join(", "))));
        }
    }
    Ok(())
}
