//! What functions are called: in the template, and by whoever invokes them.
//!
//! A function goes by its logical id, its `FunctionName` and the binary that cargo-lambda builds for it
//! (`Metadata.BuildProperties.Binary`); no two share one. Names that are given to be read ([`called`]) have the forms of
//! the Invoke API.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use fancy_regex::Regex;
use serde_json::Value;

use super::FunctionSpec;
use super::problems::{Findings, Unresolved};
use super::resolve::{Scope, scalar_text};
use super::resources::Resource;

/// `FunctionName` as the Invoke API documents it: a name, a partial ARN or an ARN, each with a version or an alias or
/// without (<https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>).
pub(crate) const PATTERN: &str = "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?\
                                  (\\d{12}:)?(function:)?([a-zA-Z0-9-_\\.]+)(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";

/// Which group of [`PATTERN`] is the name itself.
const NAME: usize = 11;

/// Most characters of a name, and of an ARN.
const MOST_OF_A_NAME: usize = 64;
const MOST_OF_AN_ARN: usize = 170;

/// The function that a name means, whichever form it has. None is one that AWS would not take either.
pub(crate) fn called(name: &str) -> Option<&str> {
    static FORMS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!("^{PATTERN}$")).ok());
    let parts = FORMS.as_ref()?.captures(name).ok().flatten().filter(|_| name.len() <= MOST_OF_AN_ARN)?;
    parts.get(NAME).map(|part| part.as_str())
}

impl FunctionSpec {
    /// Every name it answers to, the one it runs under last.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [Some(self.logical_id.as_str()), self.function_name.as_deref(), Some(self.name.as_str())].into_iter().flatten()
    }
}

/// What a function of the template is called.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    logical_id: String,
    pub(crate) function_name: Option<String>,
    pub(crate) binary: Option<String>,
}

impl Names {
    /// The one it runs under: as `cargo lambda` would name it, else as AWS would.
    pub(crate) fn name(&self) -> &str {
        self.binary.as_deref().or(self.function_name.as_deref()).unwrap_or(&self.logical_id)
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        let given = [&self.binary, &self.function_name].into_iter().flatten();
        std::iter::once(&self.logical_id).chain(given).map(String::as_str)
    }

    /// Whether this is the function that somebody means.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        called(name).is_some_and(|name| self.all().any(|known| known == name))
    }
}

/// Reads the names of the functions into the scope, and tells what is wrong with them.
pub(crate) fn read(functions: &[&Resource<'_>], scope: &mut Scope<'_>) {
    // A FunctionName may be made of another function's, which is known the second time.
    for _ in 0..2 {
        scope.names = functions.iter().map(|function| (function.logical_id.to_owned(), of(function, scope))).collect();
    }
    for function in functions {
        tell_problems(function, scope);
    }
    tell_collisions(&scope.names, scope.findings);
}

fn of(function: &Resource<'_>, scope: &Scope<'_>) -> Names {
    Names {
        logical_id: function.logical_id.to_owned(),
        function_name: given_name(function, scope).ok().flatten().as_ref().and_then(scalar_text),
        binary: binary(function).and_then(scalar_text),
    }
}

fn given_name(function: &Resource<'_>, scope: &Scope<'_>) -> Result<Option<Value>, Unresolved> {
    let given = function.body.pointer("/Properties/FunctionName");
    given.map_or(Ok(None), |name| scope.resolve(&name_path(function), name))
}

fn name_path(function: &Resource<'_>) -> String {
    format!("Resources.{}.Properties.FunctionName", function.logical_id)
}

/// The binary cargo-lambda builds for a function.
fn binary<'a>(function: &Resource<'a>) -> Option<&'a Value> {
    function.body.pointer("/Metadata/BuildProperties/Binary")
}

fn tell_problems(function: &Resource<'_>, scope: &Scope<'_>) {
    let findings = scope.findings;
    if let Some(binary) = binary(function) {
        check(binary, &format!("Resources.{}.Metadata.BuildProperties.Binary", function.logical_id), findings);
    }
    let path = name_path(function);
    match given_name(function, scope) {
        Ok(name) => name.iter().for_each(|name| check(name, &path, findings)),
        Err(unresolved) if unresolved.is_mistake() => drop(findings.unresolved(unresolved, "")),
        Err(_) => {
            let name = scope.names.get(function.logical_id).map_or(function.logical_id, Names::name);
            findings.not_supported(&path, format!("is known on AWS alone; here the function is called {name}"));
        }
    }
}

fn check(name: &Value, path: &str, findings: &Findings) {
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match scalar_text(name) {
        None => drop(findings.problem(path, "must be a text")),
        Some(name) if name.is_empty() || name.len() > MOST_OF_A_NAME || !name.chars().all(is_of_a_name) => {
            let what = format!("{name:?} is no name: it takes letters, digits, - and _, at most {MOST_OF_A_NAME}");
            findings.problem(path, what);
        }
        Some(_) => {}
    }
}

fn tell_collisions(functions: &BTreeMap<String, Names>, findings: &Findings) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (logical_id, names) in functions {
        for name in names.all() {
            let owner = *owners.entry(name).or_insert(logical_id);
            if owner != logical_id.as_str() {
                let what = format!(
                    "is called {name}, as Resources.{owner} is: a function goes by its logical id, its FunctionName and \
                     its Metadata.BuildProperties.Binary, and no two may share one"
                );
                findings.problem(&format!("Resources.{logical_id}"), what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_function_name_means_one_function() {
        for name in [
            "my-function",
            "my-function:live",
            "my-function:7",
            "my-function:$LATEST",
            "function:my-function",
            "123456789012:function:my-function",
            "123456789012:function:my-function:live",
            "123456789012:my-function",
            "arn:aws:lambda:eu-west-1:123456789012:function:my-function",
            "arn:aws:lambda:eu-west-1:123456789012:function:my-function:$LATEST",
            "arn:aws-cn:lambda:cn-north-1:123456789012:function:my-function:live",
            "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:my-function",
        ] {
            assert_eq!(called(name), Some("my-function"), "{name}");
        }
        assert_eq!(called("function"), Some("function"), "the one name of the Runtime Interface Emulator");
        assert_eq!(called("function:$LATEST"), Some("function"));
    }

    #[test]
    fn what_is_no_name_means_no_function() {
        let long = "f".repeat(171);
        for name in ["", "f:", ":f", "f:a:b", "a b", "f\n", "arn:aws:sqs:eu-west-1:123456789012:f", &long] {
            assert_eq!(called(name), None, "{name:?}");
        }
    }
}
