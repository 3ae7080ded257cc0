//! What makes texts of texts: Sub, Join, Split.

use serde_json::{Map, Value};

use super::{Resolved, Scope};
use crate::template::problems::Unresolved;

/// Texts, numbers and booleans as CloudFormation writes them into a text.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

impl Scope<'_> {
    pub(super) fn sub(&self, path: &str, argument: &Value) -> Resolved {
        let wrong = || Unresolved::mistake(path, "Fn::Sub takes a text, or [text, {variables}]");
        let none = Map::new();
        let (template, variables) = match argument {
            Value::String(text) => (text.as_str(), &none),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(text), Value::Object(variables)] => (text.as_str(), variables),
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        let mut output = String::new();
        let mut rest = template;
        while let Some(start) = rest.find("${") {
            output.push_str(&rest[..start]);
            let Some(length) = rest[start..].find('}') else {
                return Err(Unresolved::mistake(path, "Fn::Sub: a ${ is not closed"));
            };
            let name = &rest[start + 2..start + length];
            rest = &rest[start + length + 1..];
            match name.strip_prefix('!') {
                Some(literal) => output.push_str(&format!("${{{literal}}}")),
                None => output.push_str(&self.variable(path, name.trim(), variables)?),
            }
        }
        output.push_str(rest);
        Ok(Some(Value::String(output)))
    }

    fn variable(&self, path: &str, name: &str, variables: &Map<String, Value>) -> Result<String, Unresolved> {
        if let Some(value) = variables.get(name) {
            return self.scalar(path, value);
        }
        let resolved = match name.split_once('.') {
            Some((resource, attribute)) => self.attribute(path, resource, attribute)?,
            None => self.reference(path, name)?,
        };
        let no_text = || Unresolved::mistake(path, format!("${{{name}}} is not a text"));
        resolved.as_ref().and_then(scalar_text).ok_or_else(no_text)
    }

    pub(super) fn join(&self, path: &str, argument: &Value) -> Resolved {
        let wrong = || Unresolved::mistake(path, "Fn::Join takes [separator, list of texts]");
        let resolved = self.evaluate(path, argument)?.unwrap_or_default();
        match resolved.as_array().map(Vec::as_slice) {
            Some([Value::String(separator), Value::Array(items)]) => {
                let texts: Option<Vec<String>> = items.iter().map(scalar_text).collect();
                texts.map(|texts| Some(texts.join(separator).into())).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    pub(super) fn split(&self, path: &str, argument: &Value) -> Resolved {
        match self.texts(path, argument)?.as_slice() {
            [separator, text] if !separator.is_empty() => {
                Ok(Some(text.split(separator.as_str()).map(Value::from).collect()))
            }
            _ => Err(Unresolved::mistake(path, "Fn::Split takes [separator, text]")),
        }
    }
}
