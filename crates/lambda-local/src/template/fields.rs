//! Reads the properties of one resource: typed, range-checked, and with an account of what was read, so that a property
//! nobody asked for is told apart: known but without effect here, or unknown and therefore a mistake.
//!
//! A value is resolved when it is asked for, and one that cannot be had is a problem only for those who need it: who does
//! without asks [`Fields::if_known`].

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::problems::Reported;
use super::resolve::{Resolved, Scope, scalar_text};

/// What helps where lambda-local needs a value that only AWS knows.
pub(crate) const PARAMETER_HELPS: &str =
    "lambda-local needs it, so put a parameter in its place and give --parameter NAME=VALUE";
/// The same for what no parameter can hold.
const WRITING_OUT_HELPS: &str = "lambda-local needs it, so write it out";

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

    /// Whether it is there, whatever it comes to.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(|value| !self.scope.is_no_value(&self.path(key), value))
    }

    /// The resolved value. Absent and AWS::NoValue are `None`.
    pub(crate) fn resolved(&mut self, key: &'static str) -> Resolved {
        let value = self.raw(key);
        value.map_or(Ok(None), |value| self.scope.resolve(&self.path(key), value))
    }

    /// The resolved value of what is needed. Absent, AWS::NoValue and problems, which are told, are all `None`.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<Value> {
        self.resolved(key).unwrap_or_else(|unresolved| {
            self.scope.findings.unresolved(unresolved, PARAMETER_HELPS);
            None
        })
    }

    /// The resolved value of what lambda-local can do without: one that only AWS knows is `None`, too.
    pub(crate) fn if_known(&mut self, key: &'static str) -> Option<Value> {
        self.resolved(key).unwrap_or_else(|unresolved| {
            if unresolved.is_mistake() {
                self.scope.findings.unresolved(unresolved, PARAMETER_HELPS);
            }
            None
        })
    }

    fn raw(&mut self, key: &'static str) -> Option<&'a Value> {
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
        let value = self.value(key)?;
        self.one_of(key, &value, words)
    }

    /// One of the given words, if it is known.
    pub(crate) fn word_if_known<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let value = self.if_known(key)?;
        self.one_of(key, &value, words)
    }

    fn one_of<T: Copy>(&self, key: &str, value: &Value, words: &[(&str, T)]) -> Option<T> {
        let text = scalar_text(value);
        let found = words.iter().find(|(word, _)| Some(*word) == text.as_deref()).map(|(_, meaning)| *meaning);
        found.or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(key, &format!("must be {}, not {value}", known.join(" or ")))
        })
    }

    /// A map, of which nothing is resolved yet.
    pub(crate) fn map(&mut self, key: &'static str) -> Option<Self> {
        let value = self.raw(key)?;
        self.map_in(key, value)
    }

    /// Every entry of a map of maps whose names are the template's, in their order, with the name.
    pub(crate) fn maps(&self) -> impl Iterator<Item = (&'a str, Self)> {
        self.map.iter().filter_map(|(name, value)| Some((name.as_str(), self.map_in(name, value)?)))
    }

    fn map_in(&self, key: &str, value: &'a Value) -> Option<Self> {
        let path = self.path(key);
        match self.scope.shape(&path, value) {
            Ok(None) => None,
            Ok(Some(Value::Object(map))) => Some(Self::new(path, map, self.scope)),
            Ok(Some(_)) => self.wrong(key, "must be a map"),
            Err(unresolved) => {
                self.scope.findings.unresolved(unresolved, WRITING_OUT_HELPS);
                None
            }
        }
    }

    /// Every entry as it stands in the template, for a map whose names are the template's.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        self.map.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
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
