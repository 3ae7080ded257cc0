//! SAM's form: events of type `SelfManagedKafka` and `MSK` in a function's `Events`.

use super::{Fields, KafkaSource, Needed, Origin, Scope, brokers, cluster_arn, is_enabled, source};

pub(crate) fn sources(
    logical_id: &str,
    function: &mut Fields<'_>,
    needed: Needed,
    scope: &Scope<'_>,
) -> Vec<KafkaSource> {
    let Some(events) = function.map("Events") else { return vec![] };
    let mut sources = vec![];
    for (name, mut event) in events.maps() {
        match event.text("Type").as_deref() {
            Some("SelfManagedKafka" | "MSK") if needed == Needed::Functions => {}
            Some(kind @ ("SelfManagedKafka" | "MSK")) => {
                sources.extend(kafka(logical_id, name, kind == "MSK", event, scope));
            }
            Some(other) => {
                scope.findings.not_supported(&events.path(name), format!("{other} events are not delivered"));
            }
            None if !event.has("Type") => drop(scope.findings.problem(&events.path(name), "needs a Type")),
            None => {}
        }
    }
    sources
}

fn kafka(logical_id: &str, name: &str, msk: bool, mut event: Fields<'_>, scope: &Scope<'_>) -> Option<KafkaSource> {
    let properties = event.map("Properties");
    if !event.has("Properties") {
        scope.findings.problem(&event.path("Properties"), "is missing");
    }
    event.finish(&[], &[]);
    let mut fields = properties?;
    let enabled = is_enabled(&mut fields);
    let origin = Origin {
        name: name.to_owned(),
        bootstrap_servers: if msk { vec![] } else { brokers(&mut fields, enabled, scope) },
        cluster_arn: if msk { cluster_arn(&mut fields, "Stream", scope) } else { None },
        group: fields.text("ConsumerGroupId").unwrap_or_else(|| format!("lambda-local-{logical_id}-{name}")),
        enabled,
    };
    source(origin, fields, scope)
}
