//! Reads a SAM template: the one description of the functions that also deploys to AWS.
//!
//! Steps: YAML with CloudFormation's short tags to plain JSON ([`document`]), values of the parameters and what the rules
//! say of them, the resources whose condition holds, `Globals` under each function's own properties, intrinsic functions
//! resolved, and from that one [`FunctionSpec`] per function, with the event source mappings that name it.
//!
//! Promises: every problem of a template is told at once, named by its path; what AWS would act on and this runtime does
//! not is in [`Template::not_supported`]; a property no such resource has is a problem, as it is for AWS. Nothing is
//! ignored in silence but what cannot matter on one machine (descriptions, tags, architectures, deployment settings).
//!
//! Left out on purpose: `AWS::Lambda::*` resources (only their SAM forms are read) other than event source mappings of
//! Kafka, `Fn::ImportValue`, `Fn::Transform`, `Fn::GetAZs`, `Fn::Cidr`, `Fn::ForEach`, nested stacks. Meeting one of these
//! where a value is needed is a problem.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

mod document;
mod fields;
mod function;
mod globals;
mod kafka;
mod names;
mod parameters;
mod problems;
mod resolve;
mod resources;
mod rules;
#[cfg(test)]
mod tests;

pub use function::{AsyncSpec, Cors, FunctionSpec, UrlSpec};
pub use kafka::{KafkaSource, RetrySpec, StartingPosition};
pub(crate) use names::plain_name;
pub use problems::{Problem, Problems};
pub use resolve::function_arn;

use problems::Findings;
use resolve::Scope;
use resources::Resource;

const FUNCTION: &str = "AWS::Serverless::Function";

/// A template, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The functions, in the order of their logical ids.
    pub functions: Vec<FunctionSpec>,
    /// What AWS would do and this runtime does not, one line each, named by path.
    pub not_supported: Vec<String>,
}

/// What a template's text does not say itself.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Values of parameters.
    pub parameters: BTreeMap<String, String>,
    /// Environment variables set from outside, for every function; they win over the template's.
    pub variables: BTreeMap<String, String>,
    /// `AWS::Region`.
    pub region: String,
    /// Where function URLs start (`http://127.0.0.1:9000`), for `!GetAtt XUrl.FunctionUrl`.
    pub base_url: Option<String>,
}

/// Reads a template.
///
/// # Errors
/// Every problem found, never only the first.
pub fn read(text: &str, inputs: &Inputs) -> Result<Template, Problems> {
    let findings = Findings::default();
    let document = document::parse(text, &findings);
    let functions = if document.is_object() { functions(&document, inputs, &findings) } else { vec![] };
    if functions.is_empty() {
        findings.problem("Resources", "holds no AWS::Serverless::Function with Runtime provided.*");
    }
    let not_supported = findings.into_result()?;
    Ok(Template { functions, not_supported })
}

fn functions(document: &Value, inputs: &Inputs, findings: &Findings) -> Vec<FunctionSpec> {
    let empty = Map::new();
    let section = |name: &str| document.get(name).and_then(Value::as_object).unwrap_or(&empty);
    let resources = section("Resources");
    let mut scope = Scope {
        parameters: parameters::values(section("Parameters"), &inputs.parameters, findings),
        conditions: section("Conditions"),
        mappings: section("Mappings"),
        resources,
        function_names: BTreeMap::new(),
        region: &inputs.region,
        base_url: inputs.base_url.as_deref(),
        findings,
        overridden: inputs.variables.keys().cloned().collect(),
        evaluating: RefCell::default(),
    };
    rules::check(section("Rules"), &scope);
    let resources = resources::existing(&scope);
    scope.function_names = function_names(&resources, findings);
    let globals = document.pointer("/Globals/Function").and_then(Value::as_object).unwrap_or(&empty);
    let of_kind = |kind: &'static str| resources.iter().filter(move |resource| resource.kind == kind);
    let mut specs: Vec<FunctionSpec> =
        of_kind(FUNCTION).filter_map(|resource| function(resource, globals, &scope)).collect();
    for spec in &mut specs {
        spec.variables.extend(inputs.variables.clone());
    }
    kafka::attach_mappings(of_kind(kafka::MAPPING), &mut specs, &scope);
    resources::tell_what_does_not_exist(&resources, &[FUNCTION, kafka::MAPPING], findings);
    specs
}

fn function(resource: &Resource<'_>, globals: &Map<String, Value>, scope: &Scope<'_>) -> Option<FunctionSpec> {
    let properties = globals::merged(globals, &resource.properties(), resource.body.get("IgnoreGlobals"));
    let name = scope.function_names.get(resource.logical_id)?;
    function::read(resource.logical_id, name, binary_of(resource.body), &properties, scope)
}

/// The binary cargo-lambda builds for a function.
fn binary_of(resource: &Value) -> Option<&str> {
    resource.pointer("/Metadata/BuildProperties/Binary").and_then(Value::as_str)
}

/// The name of every function: as `cargo lambda` would name it, else as AWS would.
fn function_names(resources: &[Resource<'_>], findings: &Findings) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for Resource { logical_id, body, .. } in resources.iter().filter(|resource| resource.kind == FUNCTION) {
        let given = body.pointer("/Properties/FunctionName").and_then(Value::as_str);
        let name = binary_of(body).or(given).unwrap_or(logical_id);
        if !taken.insert(name) {
            findings.problem(&format!("Resources.{logical_id}"), format!("another function is named {name} too"));
        }
        names.insert((*logical_id).to_owned(), name.to_owned());
    }
    names
}
