//! A JSON object field by field, so that every fault is said with the field's name.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{self, MapAccess, Visitor};
use serde_json::Value;

/// What is wrong with a body, and with which field of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct FieldFault {
    /// Nothing where the body as a whole is at fault.
    pub field: Option<String>,
    pub detail: String,
}

impl FieldFault {
    pub fn new(field: &str, detail: impl fmt::Display) -> Self {
        Self { field: Some(field.to_owned()), detail: format!("{field}: {detail}") }
    }

    fn body(detail: impl fmt::Display) -> Self {
        Self { field: None, detail: format!("the body {detail}") }
    }
}

/// The fields of an object in their order; each name at most once.
#[derive(Debug)]
pub(crate) struct Fields(Vec<(String, Value)>);

impl Fields {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, FieldFault> {
        if bytes.is_empty() {
            return Err(FieldFault::body("is empty; send a JSON object such as {\"type\":\"deposit\",…}"));
        }
        if let Err(fault) = std::str::from_utf8(bytes) {
            return Err(FieldFault::body(format_args!("is not UTF-8 from byte {} on", fault.valid_up_to())));
        }
        let mut at = None;
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let read = json.deserialize_map(InOrder { at: &mut at });
        let fields = read.and_then(|fields| json.end().map(|()| fields)).map_err(|fault| match at {
            Some(name) => FieldFault::new(&name, format_args!("cannot be read: {fault}")),
            None => FieldFault::body(format_args!("is not a JSON object: {fault}")),
        })?;
        match fields.repeated() {
            Some(name) => Err(FieldFault::new(name, "stands more than once; send it once")),
            None => Ok(fields),
        }
    }

    fn repeated(&self) -> Option<&str> {
        let name_at = |at: usize| self.0[at].0.as_str();
        (1..self.0.len()).find(|&at| (0..at).any(|before| name_at(before) == name_at(at))).map(name_at)
    }

    /// Takes a field out; a `null` counts as not sent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(field, _)| field == name)?;
        Some(self.0.swap_remove(at).1).filter(|value| !value.is_null())
    }

    pub(crate) fn take_text(&mut self, name: &str) -> Result<Option<String>, FieldFault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(FieldFault::new(name, format_args!("must be a string, not {}", kind_of(&other)))),
        }
    }

    pub(crate) fn take_flag(&mut self, name: &str) -> Result<Option<bool>, FieldFault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(FieldFault::new(name, format_args!("must be true or false, not {}", kind_of(&other)))),
        }
    }

    /// A whole number of 64 bits; `rule` says what the field asks for.
    pub(crate) fn take_number(&mut self, name: &str, rule: &str) -> Result<Option<i64>, FieldFault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(number)) => {
                number.as_i64().map(Some).ok_or_else(|| FieldFault::new(name, format_args!("{rule}, not {number}")))
            }
            Some(other) => Err(FieldFault::new(name, format_args!("must be a number, not {}", kind_of(&other)))),
        }
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(self, context: &str) -> Result<(), FieldFault> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(FieldFault::new(name, format_args!("is not a field of {context}; leave it out"))),
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Reads an object, and keeps the name of the field that it is at: the one at fault, when a value cannot be read.
struct InOrder<'a> {
    at: &'a mut Option<String>,
}

impl<'de> Visitor<'de> for InOrder<'_> {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        const MOST_FIELDS: usize = 32;
        let mut fields = Vec::new();
        while let Some(name) = map.next_key()? {
            if fields.len() == MOST_FIELDS {
                return Err(de::Error::custom("it has more than 32 fields"));
            }
            match map.next_value() {
                Ok(value) => fields.push((name, value)),
                Err(fault) => {
                    *self.at = Some(name);
                    return Err(fault);
                }
            }
        }
        Ok(Fields(fields))
    }
}
