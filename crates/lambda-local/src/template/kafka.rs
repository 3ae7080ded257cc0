//! The Kafka event sources of a function. A template has two forms for one thing: SAM's `Events` of the function itself
//! ([`events`]), and `AWS::Lambda::EventSourceMapping` resources, which may have a condition ([`mappings`]). The forms
//! differ in where they name the brokers and the group; everything else is read here, once.

use std::time::Duration;

use serde_json::Value;

use super::Needed;
use super::fields::Fields;
use super::resolve::{ACCOUNT, Scope};

mod events;
mod mappings;

pub(crate) use events::sources as of_events;
pub(crate) use mappings::{MAPPING, attach as attach_mappings};

/// One Kafka event source mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSource {
    /// The event's name under `Events`, or the logical id of the mapping.
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

const NOT_SUPPORTED: [(&str, &str); 7] = [
    ("DestinationConfig", "records given up are logged, not sent on"),
    ("FilterCriteria", "records are not filtered: the function gets all of them"),
    ("LoggingConfig", "the poller's log is lambda-local's own"),
    ("MetricsConfig", "metrics are not published; /status tells offsets"),
    ("SourceAccessConfigurations", "secrets are not read: sign in to the brokers with --kafka-config KEY=VALUE"),
    ("KmsKeyArn", "filters are not encrypted"),
    ("SecretsManagerKmsKeyId", "secrets are not read"),
];

/// Beside the group: among the event's own properties in SAM's form, deeper in a mapping.
const NOT_SUPPORTED_OF_CONSUMERS: [(&str, &str); 2] = [
    ("SchemaRegistryConfig", "records are handed on as they are"),
    ("ConsumptionMode", "the topic is read as a stream"),
];

/// What the two forms of a source say in different places.
struct Origin {
    /// The event's name, or the mapping's logical id.
    name: String,
    bootstrap_servers: Vec<String>,
    cluster_arn: Option<String>,
    group: String,
    enabled: bool,
}

fn source(origin: Origin, mut fields: Fields<'_>, scope: &Scope<'_>) -> Option<KafkaSource> {
    let topic = topic(&mut fields, scope);
    let provisioned = provisioned_pollers(&mut fields);
    let starting_position = starting_position(&mut fields, scope);
    let source = KafkaSource {
        name: origin.name,
        bootstrap_servers: origin.bootstrap_servers,
        cluster_arn: origin.cluster_arn,
        topic: topic?,
        group: origin.group,
        starting_position: starting_position?,
        batch_size: usize::try_from(fields.integer("BatchSize", 1..=10_000).unwrap_or(100)).unwrap_or(100),
        window: window(&mut fields),
        pollers: provisioned.unwrap_or(1),
        report_item_failures: reports_item_failures(&mut fields, scope),
        retry: retry(&mut fields, scope),
        enabled: origin.enabled,
    };
    if provisioned.is_none() && (source.report_item_failures || source.retry != RetrySpec::default()) {
        scope.findings.not_supported(
            &fields.path("ProvisionedPollerConfig"),
            "is missing: AWS reports single failures, bisects and limits retries only with it; done here all the same",
        );
    }
    fields.finish(
        &["StartingPositionTimestamp", "Tags"],
        &[NOT_SUPPORTED.as_slice(), &NOT_SUPPORTED_OF_CONSUMERS].concat(),
    );
    Some(source)
}

fn topic(fields: &mut Fields<'_>, scope: &Scope<'_>) -> Option<String> {
    let problem = |fields: &Fields<'_>| scope.findings.problem(&fields.path("Topics"), "must name exactly one topic");
    if !fields.has("Topics") {
        problem(fields);
    }
    match <[String; 1]>::try_from(fields.texts("Topics")?) {
        Ok([topic]) => Some(topic),
        Err(_) => {
            problem(fields);
            None
        }
    }
}

fn is_enabled(fields: &mut Fields<'_>) -> bool {
    fields.flag("Enabled").unwrap_or(true)
}

/// `KafkaBootstrapServers`, wherever it stands. Those of a source that is not polled need not be known.
fn brokers(fields: &mut Fields<'_>, enabled: bool, scope: &Scope<'_>) -> Vec<String> {
    const KEY: &str = "KafkaBootstrapServers";
    if !fields.has(KEY) {
        scope.findings.problem(&fields.path(KEY), "needs the brokers, as a list of host:port");
    }
    if !enabled && fields.if_known(KEY).is_none() {
        return vec![];
    }
    let brokers: Vec<String> = fields.texts(KEY).unwrap_or_default();
    for broker in &brokers {
        let port = broker.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>()));
        if !matches!(port, Some(Ok(_))) {
            scope.findings.problem(&fields.path(KEY), format!("{broker:?} is not host:port"));
        }
    }
    brokers
}

/// The ARN of an MSK cluster, which events name. One that only AWS knows is made up: the brokers are named to
/// lambda-local itself.
fn cluster_arn(fields: &mut Fields<'_>, key: &'static str, scope: &Scope<'_>) -> Option<String> {
    let path = fields.path(key);
    match fields.resolved(key) {
        Ok(None) => drop(scope.findings.problem(&path, "needs the cluster's ARN")),
        Ok(Some(Value::String(arn))) if arn.split(':').nth(2) == Some("kafka") => return Some(arn),
        // `!Ref` of a cluster is its ARN on AWS, and its logical id here.
        Ok(Some(Value::String(id))) if scope.resources.contains_key(&id) => return Some(made_up(&path, scope)),
        Ok(Some(other)) => drop(scope.findings.problem(&path, format!("{other} is not the ARN of an MSK cluster"))),
        Err(unresolved) if unresolved.is_mistake() => drop(scope.findings.unresolved(unresolved, "")),
        Err(_) => return Some(made_up(&path, scope)),
    }
    None
}

fn made_up(path: &str, scope: &Scope<'_>) -> String {
    let arn = format!("arn:aws:kafka:{}:{ACCOUNT}:cluster/local/1", scope.region);
    scope.findings.not_supported(path, format!("is known on AWS alone; events here name {arn}"));
    arn
}

fn starting_position(fields: &mut Fields<'_>, scope: &Scope<'_>) -> Option<StartingPosition> {
    use StartingPosition::{AtTimestamp, Latest, TrimHorizon};
    const TIMESTAMP: &str = "StartingPositionTimestamp";
    let path = fields.path("StartingPosition");
    if !fields.has("StartingPosition") {
        scope.findings.problem(&path, "is required: TRIM_HORIZON, LATEST or AT_TIMESTAMP");
    }
    let words = [("TRIM_HORIZON", TrimHorizon), ("LATEST", Latest), ("AT_TIMESTAMP", AtTimestamp(0))];
    match fields.word("StartingPosition", &words)? {
        AtTimestamp(_) if fields.has(TIMESTAMP) => {
            fields.integer(TIMESTAMP, 0..=i64::MAX / 1_000).map(|seconds| AtTimestamp(seconds * 1_000))
        }
        AtTimestamp(_) => {
            scope.findings.problem(&path, "AT_TIMESTAMP needs StartingPositionTimestamp, in seconds");
            None
        }
        position => Some(position),
    }
}

fn window(fields: &mut Fields<'_>) -> Duration {
    let seconds = fields.integer("MaximumBatchingWindowInSeconds", 0..=300);
    seconds.map_or(DEFAULT_WINDOW, |seconds| Duration::from_secs(seconds.unsigned_abs()))
}

/// `MinimumPollers`, when the mapping is provisioned.
fn provisioned_pollers(fields: &mut Fields<'_>) -> Option<usize> {
    let mut config = fields.map("ProvisionedPollerConfig").filter(|config| !config.is_empty())?;
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
