//! Merge keys: `<<: *base` brings the entries of another map, or of a list of them, unless the map has its own. Of the list
//! an earlier map wins over a later one (<https://yaml.org/type/merge.html>). CloudFormation itself takes no merge keys, but
//! the tools that send a template there (SAM, `aws cloudformation package`) write them out first.

use serde_json::{Map, Value};

use super::intrinsic;
use crate::template::problems::Findings;

pub(super) const KEY: &str = "<<";

/// Puts what a merge key brought under a map's own entries.
pub(super) fn merge(into: &mut Map<String, Value>, path: &str, findings: &Findings) {
    let sources = match into.remove(KEY) {
        None => return,
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
    };
    for source in sources {
        let is_intrinsic = intrinsic(&source).is_some();
        match source {
            Value::Object(entries) if !is_intrinsic => {
                for (key, value) in entries {
                    into.entry(key).or_insert(value);
                }
            }
            _ => drop(findings.problem(&format!("{path}.{KEY}"), "takes a map that is written out, or a list of them")),
        }
    }
}
