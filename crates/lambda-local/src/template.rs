//! Reads a SAM template: the one description of the functions that also deploys to AWS.
//!
//! Steps: YAML with CloudFormation's short tags to plain JSON ([`document`]), values of the parameters and what the rules
//! say of them, the resources whose condition holds, what the functions are called, `Globals` under each function's own
//! properties, and from that one [`FunctionSpec`] per function, with the event source mappings that name it. Intrinsic
//! functions are resolved where a value is read.
//!
//! Promises: every problem of a template is told at once, named by its path; what AWS would act on and this runtime does
//! not is in [`Template::not_supported`]; a property no such resource has is a problem, as it is for AWS. Nothing is
//! ignored in silence but what cannot matter on one machine (descriptions, tags, architectures, deployment settings). A
//! value that only AWS knows is a problem only where it is needed: by a function that is run ([`Inputs::functions`]), for
//! what is done with it ([`Needed`]), and for a property that has an effect here.
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

pub use function::{AsyncSpec, CodeUri, Cors, FunctionSpec, UrlSpec};
pub use kafka::{KafkaSource, RetrySpec, StartingPosition};
pub(crate) use names::{PATTERN as NAME_PATTERN, called};
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

/// What a template is read for. What that does not take need not be known on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Needed {
    /// Functions are run, and fed by their event sources.
    #[default]
    Everything,
    /// Functions are run, and their event sources left alone.
    Functions,
    /// Event sources are read, for functions that run elsewhere: of those no more than name and time-out.
    EventSources,
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
    /// Which functions, by any of their names; all of them where none is named. The others are as if they ran elsewhere.
    pub functions: Vec<String>,
    /// What is done with them.
    pub needed: Needed,
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
    let section = |name: &str| resources::map(document.get(name), name, findings);
    let mut scope = Scope {
        parameters: parameters::values(section("Parameters"), &inputs.parameters, findings),
        conditions: section("Conditions"),
        mappings: section("Mappings"),
        resources: section("Resources"),
        names: BTreeMap::new(),
        asked_for: BTreeSet::new(),
        region: &inputs.region,
        base_url: inputs.base_url.as_deref(),
        findings,
        overridden: inputs.variables.keys().cloned().collect(),
        evaluated: RefCell::default(),
    };
    rules::check(section("Rules"), &scope);
    let resources = resources::existing(&scope);
    let of_kind = |kind: &'static str| resources.iter().filter(move |resource| resource.kind == kind);
    names::read(&of_kind(FUNCTION).collect::<Vec<_>>(), &mut scope);
    scope.asked_for = asked_for(&inputs.functions, &scope);
    let globals = resources::map(section("Globals").get("Function"), "Globals.Function", findings);
    let functions = of_kind(FUNCTION).filter(|resource| scope.is_asked_for(resource.logical_id));
    let mut specs: Vec<FunctionSpec> =
        functions.filter_map(|resource| function(resource, globals, inputs.needed, &scope)).collect();
    for spec in &mut specs {
        spec.variables.extend(inputs.variables.clone());
    }
    kafka::attach_mappings(of_kind(kafka::MAPPING), &mut specs, inputs.needed, &scope);
    resources::tell_what_does_not_exist(&resources, &[FUNCTION, kafka::MAPPING], findings);
    specs
}

/// The functions that are meant, by their logical ids: those that are named, or all.
fn asked_for(named: &[String], scope: &Scope<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for name in named {
        match scope.names.iter().find(|(_, names)| names.is_called(name)) {
            Some((logical_id, _)) => drop(found.insert(logical_id.clone())),
            None => {
                let known: Vec<&str> = scope.names.values().map(names::Names::name).collect();
                let what = format!("the template has no such function; it has {}", known.join(", "));
                scope.findings.problem(&format!("--function {name}"), what);
            }
        }
    }
    if named.is_empty() { scope.names.keys().cloned().collect() } else { found }
}

fn function(
    resource: &Resource<'_>,
    globals: &Map<String, Value>,
    needed: Needed,
    scope: &Scope<'_>,
) -> Option<FunctionSpec> {
    let own = resource.properties(scope.findings);
    let properties = globals::merged(globals, own, resource.body.get("IgnoreGlobals"));
    let names = scope.names.get(resource.logical_id)?;
    function::read(resource.logical_id, names, &properties, needed, scope)
}
