//! CloudFormation's own form: `AWS::Lambda::EventSourceMapping` resources that name one of the functions.

use serde_json::{Map, Value};

use super::{
    Fields, KafkaSource, NOT_SUPPORTED_OF_CONSUMERS, Needed, Origin, Scope, brokers, cluster_arn, is_enabled, source,
};
use crate::template::names::called;
use crate::template::{FunctionSpec, Resource};

pub(crate) const MAPPING: &str = "AWS::Lambda::EventSourceMapping";

/// Gives every function the sources that the mappings name it for.
pub(crate) fn attach<'a>(
    mappings: impl Iterator<Item = &'a Resource<'a>>,
    functions: &mut [FunctionSpec],
    needed: Needed,
    scope: &Scope<'_>,
) {
    for mapping in mappings {
        let properties = mapping.properties(scope.findings);
        if !is_kafka(properties) {
            let path = format!("Resources.{}", mapping.logical_id);
            scope.findings.not_supported(&path, "only Kafka is polled, so nothing is delivered from here");
            continue;
        }
        if needed == Needed::Functions {
            continue;
        }
        let mut fields = Fields::new(format!("Resources.{}.Properties", mapping.logical_id), properties, scope);
        match owner(&mut fields, functions, scope) {
            Owner::Elsewhere => {}
            Owner::Here(at) => {
                let source = read(mapping.logical_id, fields, scope);
                functions[at].kafka.extend(source);
            }
            Owner::Unknown => drop(read(mapping.logical_id, fields, scope)),
        }
    }
}

/// Only Kafka's mappings have one of these.
fn is_kafka(properties: &Map<String, Value>) -> bool {
    ["Topics", "SelfManagedEventSource"].iter().any(|key| properties.contains_key(*key))
}

/// Whose a mapping is.
enum Owner {
    /// A function of this template that is run, by its place in their list.
    Here(usize),
    /// One that is not run here.
    Elsewhere,
    /// Nobody's, which is told.
    Unknown,
}

fn owner(fields: &mut Fields<'_>, functions: &[FunctionSpec], scope: &Scope<'_>) -> Owner {
    let path = fields.path("FunctionName");
    if !fields.has("FunctionName") {
        scope.findings.problem(&path, "names the function: give !Ref or !GetAtt of it, its name or its ARN");
    }
    let Some(given) = fields.text("FunctionName") else { return Owner::Unknown };
    let name = called(&given);
    if let Some(at) = functions.iter().position(|spec| spec.names().any(|known| Some(known) == name)) {
        return Owner::Here(at);
    }
    let Some((logical_id, names)) = scope.names.iter().find(|(_, names)| names.is_called(&given)) else {
        scope.findings.problem(&path, format!("{given} is not a function of this template"));
        return Owner::Unknown;
    };
    // Who asks for some functions alone knows that the others are not run.
    if scope.is_asked_for(logical_id) {
        let what = format!("{} is not run here, so nothing is delivered to it", names.name());
        scope.findings.not_supported(&path, what);
    }
    Owner::Elsewhere
}

fn read(logical_id: &str, mut fields: Fields<'_>, scope: &Scope<'_>) -> Option<KafkaSource> {
    let (self_managed, msk) = (fields.has("SelfManagedEventSource"), fields.has("EventSourceArn"));
    if self_managed == msk {
        let what =
            if msk { "stands beside EventSourceArn: give one of the two" } else { "or EventSourceArn is needed" };
        scope.findings.problem(&fields.path("SelfManagedEventSource"), what);
        return None;
    }
    let enabled = is_enabled(&mut fields);
    let group_of = if msk { "AmazonManagedKafkaEventSourceConfig" } else { "SelfManagedKafkaEventSourceConfig" };
    let origin = Origin {
        name: logical_id.to_owned(),
        bootstrap_servers: if msk { vec![] } else { endpoints(&mut fields, enabled, scope) },
        cluster_arn: if msk { Some(cluster_arn(&mut fields, "EventSourceArn", scope)?) } else { None },
        group: group(group_of, &mut fields).unwrap_or_else(|| format!("lambda-local-{logical_id}")),
        enabled,
    };
    source(origin, fields, scope)
}

/// `SelfManagedEventSource.Endpoints.KafkaBootstrapServers`.
fn endpoints(fields: &mut Fields<'_>, enabled: bool, scope: &Scope<'_>) -> Vec<String> {
    let Some(mut event_source) = fields.map("SelfManagedEventSource") else { return vec![] };
    let endpoints = event_source.map("Endpoints");
    if !event_source.has("Endpoints") {
        scope.findings.problem(
            &event_source.path("Endpoints.KafkaBootstrapServers"),
            "needs the brokers, as a list of host:port",
        );
    }
    event_source.finish(&[], &[]);
    let Some(mut endpoints) = endpoints else { return vec![] };
    let brokers = brokers(&mut endpoints, enabled, scope);
    endpoints.finish(&[], &[]);
    brokers
}

fn group(config: &'static str, fields: &mut Fields<'_>) -> Option<String> {
    let mut config = fields.map(config)?;
    let group = config.text("ConsumerGroupId");
    config.finish(&[], &NOT_SUPPORTED_OF_CONSUMERS);
    group
}

#[cfg(test)]
mod tests;
