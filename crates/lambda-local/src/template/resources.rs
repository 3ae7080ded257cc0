//! The resources of a template that exist with these parameters, which a `Condition` decides, and which of them this
//! runtime has nothing of.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::problems::Findings;
use super::resolve::Scope;

/// A resource that exists.
#[derive(Debug)]
pub(crate) struct Resource<'a> {
    pub(crate) logical_id: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) body: &'a Value,
}

impl<'a> Resource<'a> {
    pub(crate) fn properties(&self, findings: &Findings) -> &'a Map<String, Value> {
        map(self.body.get("Properties"), &format!("Resources.{}.Properties", self.logical_id), findings)
    }
}

/// A part of the template that is a map where it is there; what is none is a problem.
pub(crate) fn map<'a>(part: Option<&'a Value>, path: &str, findings: &Findings) -> &'a Map<String, Value> {
    static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    match part {
        Some(Value::Object(map)) => return map,
        None | Some(Value::Null) => {}
        Some(_) => drop(findings.problem(path, "must be a map")),
    }
    &EMPTY
}

/// In the order of their logical ids. One whose condition is a problem counts as existing, so that its own are told too.
pub(crate) fn existing<'a>(scope: &Scope<'a>) -> Vec<Resource<'a>> {
    let mut existing = vec![];
    for (logical_id, body) in scope.resources {
        let path = format!("Resources.{logical_id}");
        let exists = body.get("Condition").is_none_or(|name| scope.holds(&path, name).unwrap_or(true));
        match body.get("Type").and_then(Value::as_str) {
            Some(kind) if exists => existing.push(Resource { logical_id, kind, body }),
            Some(_) => {}
            None => drop(scope.findings.problem(&path, "needs a Type")),
        }
    }
    existing
}

/// One line a type, however many there are of it.
pub(crate) fn tell_what_does_not_exist(resources: &[Resource<'_>], known: &[&str], findings: &Findings) {
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for resource in resources.iter().filter(|resource| !known.contains(&resource.kind)) {
        missing.entry(resource.kind).or_default().push(resource.logical_id);
    }
    for (kind, logical_ids) in missing {
        findings.not_supported("Resources", format!("{kind} does not exist here: {}", logical_ids.join(", ")));
    }
}
