//! CloudFormation's own form: `AWS::Lambda::EventSourceMapping` resources that name one of the functions.

use serde_json::{Map, Value};

use super::{Fields, KafkaSource, NOT_SUPPORTED_OF_CONSUMERS, Origin, Scope, brokers, source};
use crate::template::{FunctionSpec, Resource, plain_name};

pub(crate) const MAPPING: &str = "AWS::Lambda::EventSourceMapping";

/// Gives every function the sources that the mappings name it for.
pub(crate) fn attach<'a>(
    mappings: impl Iterator<Item = &'a Resource<'a>>,
    functions: &mut [FunctionSpec],
    scope: &Scope<'_>,
) {
    for mapping in mappings {
        let properties = mapping.properties();
        if !is_kafka(&properties) {
            let path = format!("Resources.{}", mapping.logical_id);
            scope.findings.not_supported(&path, "only Kafka is polled, so nothing is delivered from here");
            continue;
        }
        let mut fields = Fields::new(format!("Resources.{}.Properties", mapping.logical_id), &properties, scope);
        let function = function(&mut fields, functions, scope);
        let source = read(mapping.logical_id, fields, scope);
        if let (Some(function), Some(source)) = (function, source) {
            function.kafka.push(source);
        }
    }
}

/// Only Kafka's mappings have one of these.
fn is_kafka(properties: &Map<String, Value>) -> bool {
    ["Topics", "SelfManagedEventSource"].iter().any(|key| properties.contains_key(*key))
}

fn function<'a>(
    fields: &mut Fields<'_>,
    functions: &'a mut [FunctionSpec],
    scope: &Scope<'_>,
) -> Option<&'a mut FunctionSpec> {
    let path = fields.path("FunctionName");
    if fields.raw("FunctionName").is_none() {
        scope.findings.problem(&path, "names the function: give !Ref or !GetAtt of it, its name or its ARN");
    }
    let given = fields.text("FunctionName")?;
    let name = plain_name(&given);
    if let Some(at) = functions.iter().position(|spec| spec.names().any(|known| known == name)) {
        return functions.get_mut(at);
    }
    if scope.function_names.iter().any(|(logical_id, function)| logical_id == name || function == name) {
        scope.findings.not_supported(&path, format!("{name} is not run here, so nothing is delivered to it"));
    } else {
        scope.findings.problem(&path, format!("{given} is not a function of this template"));
    }
    None
}

fn read(logical_id: &str, mut fields: Fields<'_>, scope: &Scope<'_>) -> Option<KafkaSource> {
    let self_managed = fields.raw("SelfManagedEventSource").is_some();
    let msk = fields.raw("EventSourceArn").is_some();
    if self_managed == msk {
        let what =
            if msk { "stands beside EventSourceArn: give one of the two" } else { "or EventSourceArn is needed" };
        scope.findings.problem(&fields.path("SelfManagedEventSource"), what);
        return None;
    }
    let group_of = if msk { "AmazonManagedKafkaEventSourceConfig" } else { "SelfManagedKafkaEventSourceConfig" };
    let origin = Origin {
        name: logical_id.to_owned(),
        bootstrap_servers: if msk { vec![] } else { endpoints(&mut fields, scope) },
        cluster_arn: if msk { Some(cluster_arn(&mut fields, scope)?) } else { None },
        group: group(group_of, &mut fields, scope).unwrap_or_else(|| format!("lambda-local-{logical_id}")),
    };
    source(origin, fields, scope)
}

/// `SelfManagedEventSource.Endpoints.KafkaBootstrapServers`.
fn endpoints(fields: &mut Fields<'_>, scope: &Scope<'_>) -> Vec<String> {
    let path = fields.path("SelfManagedEventSource");
    let event_source = fields.map("SelfManagedEventSource").unwrap_or_default();
    let mut event_source = Fields::new(path, &event_source, scope);
    let path = event_source.path("Endpoints");
    let endpoints = event_source.map("Endpoints").unwrap_or_default();
    event_source.finish(&[], &[]);
    let mut endpoints = Fields::new(path, &endpoints, scope);
    let brokers = brokers(&mut endpoints, scope);
    endpoints.finish(&[], &[]);
    brokers
}

fn cluster_arn(fields: &mut Fields<'_>, scope: &Scope<'_>) -> Option<String> {
    let arn = fields.text("EventSourceArn")?;
    if arn.split(':').nth(2) != Some("kafka") {
        scope.findings.problem(&fields.path("EventSourceArn"), format!("{arn} is not the ARN of an MSK cluster"));
        return None;
    }
    Some(arn)
}

fn group(config: &'static str, fields: &mut Fields<'_>, scope: &Scope<'_>) -> Option<String> {
    let path = fields.path(config);
    let config = fields.map(config)?;
    let mut config = Fields::new(path, &config, scope);
    let group = config.text("ConsumerGroupId");
    config.finish(&[], &NOT_SUPPORTED_OF_CONSUMERS);
    group
}

#[cfg(test)]
mod tests;
