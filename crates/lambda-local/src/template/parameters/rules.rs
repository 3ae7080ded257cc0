//! The rules of a parameter: `AllowedPattern`, `AllowedValues`, the bounds of its length and of its value. Of a list each
//! item is held to them, as CloudFormation does
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html>).

use fancy_regex::Regex;
use serde_json::Value;

use super::{PROPERTIES, is_number};
use crate::template::problems::{Findings, Reported};
use crate::template::resolve::scalar_text;

const RULES: [&str; 6] = ["AllowedPattern", "AllowedValues", "MaxLength", "MaxValue", "MinLength", "MinValue"];

/// Holds the items of a value, which is one item unless it is a list, to the rules that its parameter declares.
pub(super) fn check(
    path: &str,
    kind: &str,
    declaration: &Value,
    items: &[&str],
    findings: &Findings,
) -> Result<(), Reported> {
    let told = |whats: Vec<String>| whats.into_iter().map(|what| findings.problem(path, what)).last();
    let mut reported = told(unknown(declaration));
    if is_number(kind) {
        let whats = items.iter().filter(|item| number(item).is_none());
        let whats = whats.map(|item| format!("{} is not a number", shown(item, declaration))).collect();
        reported = reported.or(told(whats));
    }
    for rule in RULES {
        let Some(bound) = declaration.get(rule) else { continue };
        let broken = match Rule::read(rule, bound, kind) {
            Ok(rule) => rule.broken(items),
            Err(Unread::Mistake(what)) => {
                reported = told(vec![what]).or(reported);
                continue;
            }
            Err(Unread::NotHere(what)) => {
                findings.not_supported(path, what);
                continue;
            }
        };
        let whats = broken.into_iter().map(|(item, why)| {
            let explained = declaration.get("ConstraintDescription").and_then(Value::as_str);
            let explained = explained.map(|explained| format!(": {explained}")).unwrap_or_default();
            format!("{rule}: {} {why}{explained}", shown(item, declaration))
        });
        reported = told(whats.collect()).or(reported);
    }
    reported.map_or(Ok(()), Err)
}

fn unknown(declaration: &Value) -> Vec<String> {
    let keys = declaration.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    let unknown = keys.filter(|key| !PROPERTIES.contains(key) && !RULES.contains(key));
    unknown.map(|key| format!("{key} is not a property of a parameter")).collect()
}

/// A value as a problem names it: not at all if the template says that it is secret.
fn shown(item: &str, declaration: &Value) -> String {
    let secret = declaration.get("NoEcho").and_then(scalar_text).is_some_and(|flag| flag == "true");
    if secret { "the value".to_owned() } else { format!("{item:?}") }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

enum Rule<'a> {
    Pattern(Regex, &'a str),
    Values(Vec<String>),
    Length { most: bool, bound: usize },
    Value { most: bool, bound: f64, written: String },
}

enum Unread {
    /// For AWS, too.
    Mistake(String),
    /// CloudFormation reads patterns as Java does, which knows classes that Rust does not.
    NotHere(String),
}

impl<'a> Rule<'a> {
    fn read(rule: &str, bound: &'a Value, kind: &str) -> Result<Self, Unread> {
        let mistake = |what: &str| Unread::Mistake(format!("{rule} {what}"));
        let written = scalar_text(bound);
        match rule {
            "AllowedPattern" => {
                let pattern = bound.as_str().ok_or_else(|| mistake("must be a text"))?;
                // All of a value has to match.
                let whole = Regex::new(&format!("\\A(?:{pattern})\\z"));
                let whole =
                    whole.map_err(|error| Unread::NotHere(format!("AllowedPattern is not checked, {error}")))?;
                Ok(Self::Pattern(whole, pattern))
            }
            "AllowedValues" => {
                let values = bound.as_array().ok_or_else(|| mistake("must be a list"))?;
                let values: Option<Vec<String>> = values.iter().map(scalar_text).collect();
                values.map(Self::Values).ok_or_else(|| mistake("must be a list of texts"))
            }
            "MinLength" | "MaxLength" => {
                let bound = written.and_then(|text| text.parse().ok());
                let bound = bound.ok_or_else(|| mistake("must be a whole number"))?;
                Ok(Self::Length { most: rule == "MaxLength", bound })
            }
            _ if !is_number(kind) => Err(mistake(&format!("is for numbers, not for {kind}"))),
            _ => {
                let written = written.unwrap_or_default();
                let bound = number(&written).ok_or_else(|| mistake("must be a number"))?;
                Ok(Self::Value { most: rule == "MaxValue", bound, written })
            }
        }
    }

    /// The items that do not hold to it, and why.
    fn broken<'t>(&self, items: &[&'t str]) -> Vec<(&'t str, String)> {
        items.iter().filter_map(|item| Some((*item, self.why_broken(item)?))).collect()
    }

    fn why_broken(&self, item: &str) -> Option<String> {
        match self {
            Self::Pattern(whole, pattern) => match whole.is_match(item) {
                Ok(true) => None,
                Ok(false) => Some(format!("does not match {pattern}")),
                Err(error) => Some(format!("cannot be compared with {pattern}: {error}")),
            },
            Self::Values(values) => {
                let known = values.iter().any(|value| value == item);
                (!known).then(|| format!("is not one of {}", values.join(", ")))
            }
            Self::Length { most, bound } => {
                let length = item.chars().count();
                match most {
                    true => (length > *bound).then(|| format!("is longer than {bound}")),
                    false => (length < *bound).then(|| format!("is shorter than {bound}")),
                }
            }
            Self::Value { most, bound, written } => {
                // What is no number is told already.
                let number = number(item)?;
                match most {
                    true => (number > *bound).then(|| format!("is more than {written}")),
                    false => (number < *bound).then(|| format!("is less than {written}")),
                }
            }
        }
    }
}
