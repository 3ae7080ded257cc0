//! The Kafka event sources of a function (`SelfManagedKafka` and `MSK`).

use std::time::Duration;

use serde_json::Value;

use super::fields::Fields;
use super::resolve::Scope;

/// One Kafka event source mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSource {
    /// The event's name under `Events`.
    pub name: String,
    /// Where the brokers are; none for MSK, whose brokers only AWS knows.
    pub bootstrap_servers: Vec<String>,
    /// The cluster's ARN, for MSK.
    pub cluster_arn: Option<String>,
    /// The one topic.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// Where a group without offsets begins.
    pub starting_position: StartingPosition,
    /// Most records in one invocation.
    pub batch_size: usize,
    /// How long a batch is filled; zero takes what is there.
    pub window: Duration,
    /// Consumers in the group.
    pub pollers: usize,
    /// Whether the function reports failed records one by one.
    pub report_item_failures: bool,
    /// What is done about records that keep failing.
    pub retry: RetrySpec,
    /// A disabled source is read and checked, and not polled.
    pub enabled: bool,
}

/// `StartingPosition`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartingPosition {
    /// The oldest record.
    TrimHorizon,
    /// What comes from now on.
    Latest,
    /// The first record not older than this, in ms since the epoch.
    AtTimestamp(i64),
}

/// How long a failing batch is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetrySpec {
    /// `MaximumRetryAttempts`; none is for ever.
    pub attempts: Option<u32>,
    /// `MaximumRecordAgeInSeconds`; none is for ever.
    pub max_age: Option<Duration>,
    /// `BisectBatchOnFunctionError`.
    pub bisect: bool,
}

/// AWS's default window, which cannot be written in a template.
const DEFAULT_WINDOW: Duration = Duration::from_millis(500);

const NOT_SUPPORTED: [(&str, &str); 9] = [
    ("DestinationConfig", "records given up are logged, not sent on"),
    ("FilterCriteria", "records are not filtered: the function gets all of them"),
    ("LoggingConfig", "the poller's log is lambda-local's own"),
    ("MetricsConfig", "metrics are not published; /status tells offsets"),
    ("SchemaRegistryConfig", "records are handed on as they are"),
    ("ConsumptionMode", "the topic is read as a stream"),
    ("SourceAccessConfigurations", "secrets are not read: sign in to the brokers with --kafka-config KEY=VALUE"),
    ("KmsKeyArn", "filters are not encrypted"),
    ("SecretsManagerKmsKeyId", "secrets are not read"),
];

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
                let fields = Fields::new(format!("{path}.Properties"), &properties, scope);
                sources.extend(source(logical_id, name, kind == "MSK", fields, scope));
            }
            "" => drop(scope.findings.problem(&path, "needs a Type")),
            other => scope.findings.not_supported(&path, format!("{other} events are not delivered")),
        }
    }
    sources
}

fn source(logical_id: &str, name: &str, msk: bool, mut fields: Fields<'_>, scope: &Scope<'_>) -> Option<KafkaSource> {
    let topics = fields.texts("Topics").unwrap_or_default();
    if topics.len() != 1 {
        scope.findings.problem(&fields.path("Topics"), "must name exactly one topic");
    }
    let bootstrap_servers = if msk { vec![] } else { brokers(&mut fields, scope) };
    let cluster_arn = if msk { fields.text("Stream") } else { None };
    if msk && cluster_arn.is_none() {
        scope.findings.problem(&fields.path("Stream"), "needs the cluster's ARN");
    }
    let provisioned = provisioned_pollers(&mut fields, scope);
    let source = KafkaSource {
        name: name.to_owned(),
        bootstrap_servers,
        cluster_arn,
        topic: topics.into_iter().next()?,
        group: fields.text("ConsumerGroupId").unwrap_or_else(|| format!("lambda-local-{logical_id}-{name}")),
        starting_position: starting_position(&mut fields, scope)?,
        batch_size: usize::try_from(fields.integer("BatchSize", 1..=10_000).unwrap_or(100)).unwrap_or(100),
        window: window(&mut fields),
        pollers: provisioned.unwrap_or(1),
        report_item_failures: reports_item_failures(&mut fields, scope),
        retry: retry(&mut fields, scope),
        enabled: fields.flag("Enabled").unwrap_or(true),
    };
    if provisioned.is_none() && (source.report_item_failures || source.retry != RetrySpec::default()) {
        scope.findings.not_supported(
            &fields.path("ProvisionedPollerConfig"),
            "is missing: AWS reports single failures, bisects and limits retries only with it; done here all the same",
        );
    }
    fields.finish(&["Tags"], &NOT_SUPPORTED);
    Some(source)
}

fn brokers(fields: &mut Fields<'_>, scope: &Scope<'_>) -> Vec<String> {
    let given = fields.raw("KafkaBootstrapServers").is_some();
    let brokers: Vec<String> = fields.texts("KafkaBootstrapServers").unwrap_or_default();
    let path = fields.path("KafkaBootstrapServers");
    if !given {
        scope.findings.problem(&path, "needs the brokers, as a list of host:port");
    }
    for broker in &brokers {
        let port = broker.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>()));
        if !matches!(port, Some(Ok(_))) {
            scope.findings.problem(&path, format!("{broker:?} is not host:port"));
        }
    }
    brokers
}

fn starting_position(fields: &mut Fields<'_>, scope: &Scope<'_>) -> Option<StartingPosition> {
    use StartingPosition::{AtTimestamp, Latest, TrimHorizon};
    let given = fields.raw("StartingPosition").is_some();
    let seconds = fields.integer("StartingPositionTimestamp", 0..=i64::MAX / 1_000);
    let words = [("TRIM_HORIZON", TrimHorizon), ("LATEST", Latest), ("AT_TIMESTAMP", AtTimestamp(0))];
    let position = fields.word("StartingPosition", &words);
    let path = fields.path("StartingPosition");
    match (position, seconds) {
        (Some(AtTimestamp(_)), Some(seconds)) => Some(AtTimestamp(seconds * 1_000)),
        (Some(AtTimestamp(_)), None) => {
            scope.findings.problem(&path, "AT_TIMESTAMP needs StartingPositionTimestamp, in seconds");
            None
        }
        (Some(position), _) => Some(position),
        (None, _) => {
            if !given {
                scope.findings.problem(&path, "is required: TRIM_HORIZON, LATEST or AT_TIMESTAMP");
            }
            None
        }
    }
}

fn window(fields: &mut Fields<'_>) -> Duration {
    let seconds = fields.integer("MaximumBatchingWindowInSeconds", 0..=300);
    seconds.map_or(DEFAULT_WINDOW, |seconds| Duration::from_secs(seconds.unsigned_abs()))
}

/// `MinimumPollers`, when the mapping is provisioned.
fn provisioned_pollers(fields: &mut Fields<'_>, scope: &Scope<'_>) -> Option<usize> {
    let path = fields.path("ProvisionedPollerConfig");
    let config = fields.map("ProvisionedPollerConfig").filter(|config| !config.is_empty())?;
    let mut config = Fields::new(path, &config, scope);
    let least = config.integer("MinimumPollers", 1..=200).unwrap_or(1);
    config.finish(&["PollerGroupName"], &[("MaximumPollers", "the number of pollers stays at MinimumPollers")]);
    usize::try_from(least).ok()
}

fn reports_item_failures(fields: &mut Fields<'_>, scope: &Scope<'_>) -> bool {
    let types = fields.texts("FunctionResponseTypes").unwrap_or_default();
    for other in types.iter().filter(|kind| *kind != "ReportBatchItemFailures") {
        scope.findings.problem(&fields.path("FunctionResponseTypes"), format!("{other:?} is not a response type"));
    }
    types.iter().any(|kind| kind == "ReportBatchItemFailures")
}

fn retry(fields: &mut Fields<'_>, scope: &Scope<'_>) -> RetrySpec {
    let attempts = fields.integer("MaximumRetryAttempts", -1..=10_000).filter(|attempts| *attempts >= 0);
    let age = fields.integer("MaximumRecordAgeInSeconds", -1..=604_800).filter(|seconds| *seconds >= 0);
    if age.is_some_and(|seconds| seconds < 60) {
        scope.findings.problem(&fields.path("MaximumRecordAgeInSeconds"), "must be -1, or from 60 to 604800");
    }
    RetrySpec {
        attempts: attempts.and_then(|attempts| u32::try_from(attempts).ok()),
        max_age: age.map(|seconds| Duration::from_secs(seconds.unsigned_abs())),
        bisect: fields.flag("BisectBatchOnFunctionError").unwrap_or_default(),
    }
}
