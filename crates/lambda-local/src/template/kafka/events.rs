//! SAM's form: events of type `SelfManagedKafka` and `MSK` in a function's `Events`.

use serde_json::Value;

use super::{Fields, KafkaSource, Origin, Scope, brokers, source};

pub(crate) fn sources(logical_id: &str, function: &mut Fields<'_>, scope: &Scope<'_>) -> Vec<KafkaSource> {
    let events_path = function.path("Events");
    let Some(Value::Object(events)) = function.raw("Events") else { return vec![] };
    let mut sources = vec![];
    for (name, event) in events {
        let path = format!("{events_path}.{name}");
        let kind = event.get("Type").and_then(Value::as_str).unwrap_or_default();
        let properties = event.get("Properties").and_then(Value::as_object).cloned().unwrap_or_default();
        match kind {
            "SelfManagedKafka" | "MSK" => {
                let mut fields = Fields::new(format!("{path}.Properties"), &properties, scope);
                let origin = origin(logical_id, name, kind == "MSK", &mut fields, scope);
                sources.extend(source(origin, fields, scope));
            }
            "" => drop(scope.findings.problem(&path, "needs a Type")),
            other => scope.findings.not_supported(&path, format!("{other} events are not delivered")),
        }
    }
    sources
}

fn origin(logical_id: &str, name: &str, msk: bool, fields: &mut Fields<'_>, scope: &Scope<'_>) -> Origin {
    let bootstrap_servers = if msk { vec![] } else { brokers(fields, scope) };
    let cluster_arn = if msk { fields.text("Stream") } else { None };
    if msk && cluster_arn.is_none() {
        scope.findings.problem(&fields.path("Stream"), "needs the cluster's ARN");
    }
    Origin {
        name: name.to_owned(),
        bootstrap_servers,
        cluster_arn,
        group: fields.text("ConsumerGroupId").unwrap_or_else(|| format!("lambda-local-{logical_id}-{name}")),
    }
}
