//! Resolves CloudFormation's intrinsic functions: Ref, Sub, GetAtt, If/Equals/Not/And/Or, Split/Join/Select, FindInMap,
//! Base64, AWS::NoValue and the pseudo parameters. Whatever cannot be known on this machine is a problem named by its
//! path, never an empty string.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use serde_json::{Map, Value};

use super::document::intrinsic;
use super::problems::{Findings, Reported};

/// `Ok(None)` is AWS::NoValue: the property is not there.
pub(crate) type Resolved = Result<Option<Value>, Reported>;

/// What the names in a template stand for.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) parameters: BTreeMap<String, Result<Value, Reported>>,
    pub(crate) conditions: &'a Map<String, Value>,
    pub(crate) mappings: &'a Map<String, Value>,
    pub(crate) resources: &'a Map<String, Value>,
    /// Logical id of a function to the name it runs under.
    pub(crate) function_names: BTreeMap<String, String>,
    pub(crate) region: &'a str,
    /// Where the function URLs of this runtime start, when it serves any.
    pub(crate) base_url: Option<&'a str>,
    pub(crate) findings: &'a Findings,
    /// Environment variables set from outside: the template's value for them need not be known.
    pub(crate) overridden: BTreeSet<String>,
    /// Conditions being evaluated, innermost last: a condition that needs itself is a problem, not an endless loop.
    pub(crate) evaluating: RefCell<Vec<String>>,
}

const ACCOUNT: &str = "123456789012";

/// The ARN this runtime gives a function.
pub fn function_arn(region: &str, name: &str) -> String {
    format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{name}")
}

impl Scope<'_> {
    /// Resolves a value and everything in it. All problems in it are recorded, not only the first.
    pub(crate) fn resolve(&self, path: &str, value: &Value) -> Resolved {
        if let Some((function, argument)) = intrinsic(value) {
            return self.call(path, function, argument);
        }
        match value {
            Value::Array(items) => self.resolve_list(path, items).map(|items| Some(Value::Array(items))),
            Value::Object(map) => {
                let mut resolved = Ok(Map::new());
                for (key, value) in map {
                    match (self.resolve(&format!("{path}.{key}"), value), &mut resolved) {
                        (Ok(Some(value)), Ok(map)) => drop(map.insert(key.clone(), value)),
                        (Err(reported), _) => resolved = Err(reported),
                        _ => {}
                    }
                }
                resolved.map(|map| Some(Value::Object(map)))
            }
            plain => Ok(Some(plain.clone())),
        }
    }

    /// Whether a property is not there after all: AWS::NoValue, perhaps by condition. The rest of it need not resolve.
    pub(crate) fn is_no_value(&self, path: &str, value: &Value) -> bool {
        match intrinsic(value) {
            Some(("Ref", name)) => name == "AWS::NoValue",
            Some(("Fn::If", Value::Array(parts))) => match parts.as_slice() {
                [condition, yes, no] => self
                    .condition_named(path, condition)
                    .is_ok_and(|flag| self.is_no_value(path, if flag { yes } else { no })),
                _ => false,
            },
            _ => false,
        }
    }

    fn resolve_list(&self, path: &str, items: &[Value]) -> Result<Vec<Value>, Reported> {
        let resolved: Vec<_> =
            items.iter().enumerate().map(|(at, item)| self.resolve(&format!("{path}[{at}]"), item)).collect();
        resolved.into_iter().filter_map(Result::transpose).collect()
    }

    fn call(&self, path: &str, function: &str, argument: &Value) -> Resolved {
        match function {
            "Ref" => match argument.as_str() {
                Some(name) => self.reference(path, name),
                None => Err(self.problem(path, "Ref takes a name")),
            },
            "Condition" => self.condition_named(path, argument).map(|flag| Some(Value::Bool(flag))),
            "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" => self
                .condition(path, &Value::Object(Map::from_iter([(function.to_owned(), argument.clone())])))
                .map(|flag| Some(Value::Bool(flag))),
            "Fn::If" => match argument.as_array().map(Vec::as_slice) {
                Some([condition, yes, no]) => {
                    let flag = self.condition_named(path, condition)?;
                    self.resolve(path, if flag { yes } else { no })
                }
                _ => Err(self.problem(path, "Fn::If takes [condition, value if true, value if false]")),
            },
            "Fn::Sub" => self.sub(path, argument),
            "Fn::GetAtt" => match self.texts(path, argument)?.as_slice() {
                [resource, attribute] => self.attribute(path, resource, attribute),
                _ => Err(self.problem(path, "Fn::GetAtt takes [resource, attribute]")),
            },
            "Fn::Join" => self.join(path, argument),
            "Fn::Split" => match self.texts(path, argument)?.as_slice() {
                [separator, text] if !separator.is_empty() => {
                    Ok(Some(text.split(separator.as_str()).map(Value::from).collect()))
                }
                _ => Err(self.problem(path, "Fn::Split takes [separator, text]")),
            },
            "Fn::Select" => self.select(path, argument),
            "Fn::FindInMap" => self.find_in_map(path, argument),
            "Fn::Base64" => {
                let text = self.scalar(path, argument)?;
                Ok(Some(Value::String(base64::engine::general_purpose::STANDARD.encode(text))))
            }
            other => Err(self.problem(path, format!("{other} cannot be resolved on this machine"))),
        }
    }

    fn reference(&self, path: &str, name: &str) -> Resolved {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(value) = self.pseudo(name) {
            return Ok(Some(value));
        }
        if let Some(value) = self.parameters.get(name) {
            return value.clone().map(Some);
        }
        if let Some(function) = self.function_names.get(name) {
            return Ok(Some(Value::from(function.as_str())));
        }
        if self.resources.contains_key(name) {
            return Ok(Some(Value::from(name)));
        }
        Err(self.problem(path, format!("{name} is neither a parameter nor a resource of this template")))
    }

    fn pseudo(&self, name: &str) -> Option<Value> {
        let value = match name {
            "AWS::Region" => self.region.into(),
            "AWS::AccountId" => ACCOUNT.into(),
            "AWS::Partition" => "aws".into(),
            "AWS::URLSuffix" => "amazonaws.com".into(),
            "AWS::StackName" => "local".into(),
            "AWS::StackId" => format!("arn:aws:cloudformation:{}:{ACCOUNT}:stack/local/0", self.region).into(),
            "AWS::NotificationARNs" => Value::Array(vec![]),
            _ => return None,
        };
        Some(value)
    }

    fn attribute(&self, path: &str, resource: &str, attribute: &str) -> Resolved {
        // SAM makes a function's URL a resource of its own, named after it.
        let owner = resource.strip_suffix("Url").and_then(|id| self.function_names.get(id));
        match (self.function_names.get(resource), owner, attribute) {
            (Some(name), _, "Arn") => Ok(Some(function_arn(self.region, name).into())),
            (_, Some(name), "FunctionUrl") if self.base_url.is_some() => {
                Ok(Some(format!("{}/lambda-url/{name}/", self.base_url.unwrap_or_default()).into()))
            }
            _ if owner.is_none() && !self.resources.contains_key(resource) => {
                Err(self.problem(path, format!("{resource} is not a resource of this template")))
            }
            _ => {
                let what = format!("{resource}.{attribute} exists only on AWS; give a value with --env or a parameter");
                Err(self.problem(path, what))
            }
        }
    }

    /// A condition by its name, as Fn::If and `Condition:` give it.
    pub(crate) fn condition_named(&self, path: &str, name: &Value) -> Result<bool, Reported> {
        let Some(name) = name.as_str() else { return self.condition(path, name) };
        let Some(condition) = self.conditions.get(name) else {
            return Err(self.problem(path, format!("there is no condition named {name}")));
        };
        if self.evaluating.borrow().iter().any(|outer| outer == name) {
            return Err(self.problem(&format!("Conditions.{name}"), "needs itself"));
        }
        self.evaluating.borrow_mut().push(name.to_owned());
        let flag = self.condition(&format!("Conditions.{name}"), condition);
        self.evaluating.borrow_mut().pop();
        flag
    }

    fn condition(&self, path: &str, value: &Value) -> Result<bool, Reported> {
        let Some((function, argument)) = intrinsic(value) else {
            return value.as_bool().ok_or_else(|| self.problem(path, "is not a condition"));
        };
        let parts = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        match (function, parts) {
            ("Condition", _) => self.condition_named(path, argument),
            ("Fn::Equals", [left, right]) => Ok(self.scalar(path, left)? == self.scalar(path, right)?),
            ("Fn::Not", [inner]) => self.condition(path, inner).map(|flag| !flag),
            ("Fn::And", [_, _, ..]) => self.conditions(path, parts).map(|flags| flags.into_iter().all(|flag| flag)),
            ("Fn::Or", [_, _, ..]) => self.conditions(path, parts).map(|flags| flags.into_iter().any(|flag| flag)),
            _ => Err(self.problem(path, format!("{function} is not a condition, or has the wrong number of parts"))),
        }
    }

    fn conditions(&self, path: &str, parts: &[Value]) -> Result<Vec<bool>, Reported> {
        parts.iter().map(|part| self.condition(path, part)).collect()
    }

    fn sub(&self, path: &str, argument: &Value) -> Resolved {
        let (template, variables) = match argument {
            Value::String(text) => (text.as_str(), Map::new()),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(text), Value::Object(variables)] => (text.as_str(), variables.clone()),
                _ => return Err(self.problem(path, "Fn::Sub takes a text, or [text, {variables}]")),
            },
            _ => return Err(self.problem(path, "Fn::Sub takes a text, or [text, {variables}]")),
        };
        let mut output = String::new();
        let mut rest = template;
        while let Some(start) = rest.find("${") {
            output.push_str(&rest[..start]);
            let Some(length) = rest[start..].find('}') else {
                return Err(self.problem(path, "Fn::Sub: a ${ is not closed"));
            };
            let name = &rest[start + 2..start + length];
            rest = &rest[start + length + 1..];
            match name.strip_prefix('!') {
                Some(literal) => output.push_str(&format!("${{{literal}}}")),
                None => output.push_str(&self.variable(path, name, &variables)?),
            }
        }
        output.push_str(rest);
        Ok(Some(Value::String(output)))
    }

    fn variable(&self, path: &str, name: &str, variables: &Map<String, Value>) -> Result<String, Reported> {
        if let Some(value) = variables.get(name) {
            return self.scalar(path, value);
        }
        let resolved = match name.split_once('.') {
            Some((resource, attribute)) => self.attribute(path, resource, attribute)?,
            None => self.reference(path, name)?,
        };
        resolved.as_ref().and_then(scalar_text).ok_or_else(|| self.problem(path, format!("${{{name}}} is not a text")))
    }

    fn join(&self, path: &str, argument: &Value) -> Resolved {
        let wrong = "Fn::Join takes [separator, list of texts]";
        let resolved = self.resolve(path, argument)?.unwrap_or_default();
        match resolved.as_array().map(Vec::as_slice) {
            Some([Value::String(separator), Value::Array(items)]) => {
                let texts: Option<Vec<String>> = items.iter().map(scalar_text).collect();
                texts.map(|texts| Some(texts.join(separator).into())).ok_or_else(|| self.problem(path, wrong))
            }
            _ => Err(self.problem(path, wrong)),
        }
    }

    fn select(&self, path: &str, argument: &Value) -> Resolved {
        let resolved = self.resolve(path, argument)?.unwrap_or_default();
        let Some([at, Value::Array(items)]) = resolved.as_array().map(Vec::as_slice) else {
            return Err(self.problem(path, "Fn::Select takes [index, list]"));
        };
        let at: Option<usize> = scalar_text(at).and_then(|text| text.parse().ok());
        match at.and_then(|at| items.get(at)) {
            Some(item) => Ok(Some(item.clone())),
            None => Err(self.problem(path, format!("Fn::Select: the list has {} items, no such index", items.len()))),
        }
    }

    fn find_in_map(&self, path: &str, argument: &Value) -> Resolved {
        match self.texts(path, argument)?.as_slice() {
            [map, top, second] => match self.mappings.get(map).and_then(|map| map.get(top)?.get(second)) {
                Some(value) => Ok(Some(value.clone())),
                None => Err(self.problem(path, format!("Mappings.{map}.{top}.{second} is not there"))),
            },
            _ => Err(self.problem(path, "Fn::FindInMap takes [map, key, key]")),
        }
    }

    /// A list whose items all resolve to texts.
    fn texts(&self, path: &str, argument: &Value) -> Result<Vec<String>, Reported> {
        let Some(items) = argument.as_array() else { return Err(self.problem(path, "takes a list")) };
        items.iter().map(|item| self.scalar(path, item)).collect()
    }

    fn scalar(&self, path: &str, value: &Value) -> Result<String, Reported> {
        let resolved = self.resolve(path, value)?;
        resolved.as_ref().and_then(scalar_text).ok_or_else(|| self.problem(path, "takes a text here"))
    }

    fn problem(&self, path: &str, what: impl Into<String>) -> Reported {
        self.findings.problem(path, what)
    }
}

/// Texts, numbers and booleans as CloudFormation writes them into a text.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
