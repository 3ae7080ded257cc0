//! Reads the properties of one resource: typed, range-checked, and with an account of what was read, so that a property
//! nobody asked for is told apart: known but without effect here, or unknown and therefore a mistake.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::problems::Reported;
use super::resolve::{Scope, scalar_text};

pub(crate) struct Fields<'a> {
    path: String,
    map: &'a Map<String, Value>,
    scope: &'a Scope<'a>,
    read: BTreeSet<&'static str>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(path: impl Into<String>, map: &'a Map<String, Value>, scope: &'a Scope<'a>) -> Self {
        Self { path: path.into(), map, scope, read: BTreeSet::new() }
    }

    pub(crate) fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// The resolved value. Absent, AWS::NoValue and already reported problems are all `None`.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<Value> {
        let value = self.raw(key)?;
        self.scope.resolve(&self.path(key), value).ok().flatten()
    }

    /// The value as it stands, for what is resolved piece by piece.
    pub(crate) fn raw(&mut self, key: &'static str) -> Option<&'a Value> {
        self.read.insert(key);
        self.map.get(key)
    }

    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        scalar_text(&value).or_else(|| self.wrong(key, "must be a text"))
    }

    pub(crate) fn integer(&mut self, key: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.value(key)?;
        let number = scalar_text(&value).and_then(|text| text.parse().ok()).filter(|number| range.contains(number));
        number.or_else(|| {
            self.wrong(key, &format!("must be a whole number from {} to {}, not {value}", range.start(), range.end()))
        })
    }

    pub(crate) fn flag(&mut self, key: &'static str) -> Option<bool> {
        match self.value(key)? {
            Value::Bool(flag) => Some(flag),
            Value::String(text) if text == "true" || text == "false" => Some(text == "true"),
            _ => self.wrong(key, "must be true or false"),
        }
    }

    pub(crate) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let value = self.value(key)?;
        let texts = value.as_array().and_then(|items| items.iter().map(scalar_text).collect());
        texts.or_else(|| self.wrong(key, "must be a list of texts"))
    }

    /// One of the given words.
    pub(crate) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        found.or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(key, &format!("must be {}, not {text:?}", known.join(" or ")))
        })
    }

    /// A map, resolved.
    pub(crate) fn map(&mut self, key: &'static str) -> Option<Map<String, Value>> {
        match self.value(key)? {
            Value::Object(map) => Some(map),
            _ => self.wrong(key, "must be a map"),
        }
    }

    fn wrong<T>(&self, key: &str, what: &str) -> Option<T> {
        let Reported = self.scope.findings.problem(&self.path(key), what);
        None
    }

    /// What has no effect on this machine, and what no such resource has.
    pub(crate) fn finish(self, silent: &[&str], not_supported: &[(&str, &str)]) {
        for (key, value) in self.map.iter().filter(|(key, _)| !self.read.contains(key.as_str())) {
            if let Some((_, why)) = not_supported.iter().find(|(name, _)| name == key) {
                if !self.scope.is_no_value(&self.path(key), value) {
                    self.scope.findings.not_supported(&self.path(key), why);
                }
            } else if !silent.contains(&key.as_str()) {
                self.scope.findings.problem(&self.path(key), "is not a property of this resource");
            }
        }
    }
}
