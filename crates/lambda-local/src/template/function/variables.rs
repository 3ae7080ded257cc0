//! `Environment`: the variables that the template gives a function.

use std::collections::BTreeMap;

use crate::template::fields::Fields;
use crate::template::problems::Unresolved;
use crate::template::resolve::{Scope, scalar_text};

/// Lambda's reserved names, which a template may not set.
const RESERVED: [&str; 10] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_REGION",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// Each by itself: one that is given from outside, or is not there under these conditions, need not be known.
pub(super) fn read(fields: &mut Fields<'_>, scope: &Scope<'_>) -> BTreeMap<String, String> {
    let Some(mut environment) = fields.map("Environment") else { return BTreeMap::new() };
    let variables = environment.map("Variables");
    environment.finish(&[], &[]);
    let Some(variables) = variables else { return BTreeMap::new() };
    let mut texts = BTreeMap::new();
    for (name, value) in variables.entries() {
        let path = variables.path(name);
        if RESERVED.contains(&name) {
            scope.findings.problem(&path, "is reserved by Lambda and cannot be set");
        }
        if scope.overridden.contains(name) {
            continue;
        }
        let text = scope.resolve(&path, value).and_then(|value| match value {
            Some(value) => scalar_text(&value).map(Some).ok_or_else(|| Unresolved::mistake(&path, "must be a text")),
            None => Ok(None),
        });
        match text {
            Ok(text) => texts.extend(text.map(|text| (name.to_owned(), text))),
            Err(unresolved) => {
                scope.findings.unresolved(unresolved, &format!("give one with --env {name}=VALUE"));
            }
        }
    }
    texts
}
