//! Resolves CloudFormation's intrinsic functions: Ref, Sub, GetAtt, If/Equals/Not/And/Or, Split/Join/Select, FindInMap,
//! Base64, AWS::NoValue and the pseudo parameters. Whatever cannot be known on this machine is an error that says where and
//! why, never an empty string. Nothing is told here: whoever asks knows whether the value is needed, and what helps.
//!
//! Bounds: a value is as deep as the text it comes from ([`super::document`]), and each condition is evaluated once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use serde_json::{Map, Value};

use super::document::intrinsic;
use super::names::Names;
use super::problems::{Findings, Reported, Unresolved};

mod conditions;
mod references;
mod texts;

pub(crate) use conditions::Evaluated;
pub use references::function_arn;
pub(crate) use references::{ACCOUNT, has_dynamic_reference};
pub(crate) use texts::scalar_text;

/// `Ok(None)` is AWS::NoValue: the property is not there.
pub(crate) type Resolved = Result<Option<Value>, Unresolved>;

/// What the names in a template stand for.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) parameters: BTreeMap<String, Result<Value, Reported>>,
    pub(crate) conditions: &'a Map<String, Value>,
    pub(crate) mappings: &'a Map<String, Value>,
    pub(crate) resources: &'a Map<String, Value>,
    /// What the functions are called, by their logical ids.
    pub(crate) names: BTreeMap<String, Names>,
    /// Those of them that are meant, by their logical ids: the others are as if they ran elsewhere.
    pub(crate) asked_for: BTreeSet<String>,
    pub(crate) region: &'a str,
    /// Where the function URLs of this runtime start, when it serves any.
    pub(crate) base_url: Option<&'a str>,
    pub(crate) findings: &'a Findings,
    /// Environment variables set from outside: the template's value for them need not be known.
    pub(crate) overridden: BTreeSet<String>,
    pub(crate) evaluated: RefCell<Evaluated>,
}

impl Scope<'_> {
    /// Whether a function, by its logical id, is meant.
    pub(crate) fn is_asked_for(&self, function: &str) -> bool {
        self.asked_for.contains(function)
    }

    /// Resolves a value and everything in it, to the end: a reference that CloudFormation itself resolves is none that
    /// this machine knows. All that keeps it from being had is in the error, not only the first of it.
    pub(crate) fn resolve(&self, path: &str, value: &Value) -> Resolved {
        let resolved = self.evaluate(path, value)?;
        match resolved.as_ref().is_some_and(has_dynamic_reference) {
            true => Err(Unresolved::only_on_aws(path, "{{resolve:…}} is resolved by AWS alone")),
            false => Ok(resolved),
        }
    }

    /// A value without what is in it: the one that conditions choose, a map or a list as it stands in the template.
    pub(crate) fn shape<'v>(&'v self, path: &str, value: &'v Value) -> Result<Option<&'v Value>, Unresolved> {
        match intrinsic(value) {
            Some(("Fn::If", argument)) => self.shape(path, self.branch(path, argument)?),
            Some(("Ref", name)) if name == "AWS::NoValue" => Ok(None),
            // A map of one entry may be called so; as a function it stands among conditions alone.
            Some(("Condition", _)) | None => Ok(Some(value)),
            Some(("Fn::Transform", _)) => Err(Unresolved::only_on_aws(path, "Fn::Transform is done by AWS alone")),
            Some((function, _)) => Err(Unresolved::mistake(path, format!("must be a map, and {function} gives none"))),
        }
    }

    /// Whether a property is not there after all: AWS::NoValue, perhaps by condition. The rest of it need not resolve.
    pub(crate) fn is_no_value(&self, path: &str, value: &Value) -> bool {
        matches!(self.shape(path, value), Ok(None))
    }

    fn evaluate(&self, path: &str, value: &Value) -> Resolved {
        if let Some((function, argument)) = intrinsic(value) {
            return self.call(path, function, argument);
        }
        match value {
            Value::Array(items) => {
                let items = items.iter().enumerate().map(|(at, item)| self.evaluate(&format!("{path}[{at}]"), item));
                Unresolved::all(items).map(|items| Some(items.into_iter().flatten().collect()))
            }
            Value::Object(map) => {
                let entries = map.iter().map(|(key, value)| {
                    self.evaluate(&format!("{path}.{key}"), value).map(|value| Some((key.clone(), value?)))
                });
                Unresolved::all(entries).map(|entries| Some(Value::Object(entries.into_iter().flatten().collect())))
            }
            plain => Ok(Some(plain.clone())),
        }
    }

    fn call(&self, path: &str, function: &str, argument: &Value) -> Resolved {
        match function {
            "Ref" => match argument.as_str() {
                Some(name) => self.reference(path, name),
                None => Err(Unresolved::mistake(path, "Ref takes a name")),
            },
            "Condition" => self.condition_named(path, argument).map(|flag| Some(Value::Bool(flag))),
            "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" => self
                .condition(path, &Value::Object(Map::from_iter([(function.to_owned(), argument.clone())])))
                .map(|flag| Some(Value::Bool(flag))),
            "Fn::If" => self.evaluate(path, self.branch(path, argument)?),
            "Fn::Sub" => self.sub(path, argument),
            "Fn::GetAtt" => match self.texts(path, argument)?.as_slice() {
                [resource, attribute] => self.attribute(path, resource, attribute),
                _ => Err(Unresolved::mistake(path, "Fn::GetAtt takes [resource, attribute]")),
            },
            "Fn::Join" => self.join(path, argument),
            "Fn::Split" => self.split(path, argument),
            "Fn::Select" => self.select(path, argument),
            "Fn::FindInMap" => self.find_in_map(path, argument),
            "Fn::Base64" => {
                let text = self.scalar(path, argument)?;
                Ok(Some(Value::String(base64::engine::general_purpose::STANDARD.encode(text))))
            }
            other => Err(Unresolved::only_on_aws(path, format!("{other} cannot be resolved on this machine"))),
        }
    }

    fn select(&self, path: &str, argument: &Value) -> Resolved {
        let resolved = self.evaluate(path, argument)?.unwrap_or_default();
        let Some([at, Value::Array(items)]) = resolved.as_array().map(Vec::as_slice) else {
            return Err(Unresolved::mistake(path, "Fn::Select takes [index, list]"));
        };
        let at: Option<usize> = scalar_text(at).and_then(|text| text.parse().ok());
        let none = || format!("Fn::Select: the list has {} items, no such index", items.len());
        at.and_then(|at| items.get(at)).map(|item| Some(item.clone())).ok_or_else(|| Unresolved::mistake(path, none()))
    }

    fn find_in_map(&self, path: &str, argument: &Value) -> Resolved {
        match self.texts(path, argument)?.as_slice() {
            [map, top, second] => match self.mappings.get(map).and_then(|map| map.get(top)?.get(second)) {
                Some(value) => Ok(Some(value.clone())),
                None => Err(Unresolved::mistake(path, format!("Mappings.{map}.{top}.{second} is not there"))),
            },
            _ => Err(Unresolved::mistake(path, "Fn::FindInMap takes [map, key, key]")),
        }
    }

    /// A list whose items all resolve to texts.
    fn texts(&self, path: &str, argument: &Value) -> Result<Vec<String>, Unresolved> {
        let Some(items) = argument.as_array() else { return Err(Unresolved::mistake(path, "takes a list")) };
        Unresolved::all(items.iter().map(|item| self.scalar(path, item)))
    }

    fn scalar(&self, path: &str, value: &Value) -> Result<String, Unresolved> {
        let resolved = self.evaluate(path, value)?;
        resolved.as_ref().and_then(scalar_text).ok_or_else(|| Unresolved::mistake(path, "takes a text here"))
    }
}
