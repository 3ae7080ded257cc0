//! One function of a template, as the runtime needs it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::Needed;
use super::fields::Fields;
use super::kafka::{self, KafkaSource};
use super::names::Names;
use super::resolve::Scope;

mod url;
mod variables;

pub use url::{Cors, UrlSpec};

/// A function: what to run, with which variables, and how much of it at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSpec {
    /// The name it is invoked by: `Metadata.BuildProperties.Binary`, else `FunctionName`, else the logical id.
    pub name: String,
    /// The resource's name in the template.
    pub logical_id: String,
    /// `FunctionName`, when the template gives one and it runs under another.
    pub function_name: Option<String>,
    /// `Metadata.BuildProperties.Binary`, when the template names one: what cargo builds.
    pub binary: Option<String>,
    /// `CodeUri`, as far as it is known here.
    pub code_uri: Option<CodeUri>,
    /// `Architectures`, what AWS runs it on. Here it runs on this machine.
    pub architecture: Option<String>,
    /// `Handler`, handed on as `_HANDLER`.
    pub handler: String,
    /// The environment variables.
    pub variables: BTreeMap<String, String>,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// Told to the function and printed in its REPORT lines; not enforced.
    pub memory_mb: u32,
    /// `ReservedConcurrentExecutions`.
    pub reserved_concurrency: Option<usize>,
    /// Requests one environment takes at once; above one on Lambda Managed Instances.
    pub environment_concurrency: usize,
    /// Whether it asks for Lambda Managed Instances.
    pub managed_instances: bool,
    /// `FunctionScalingConfig.MaxExecutionEnvironments`.
    pub max_environments: Option<usize>,
    /// The function URL.
    pub url: Option<UrlSpec>,
    /// What happens to asynchronous invocations that fail.
    pub asynchronous: AsyncSpec,
    /// Its Kafka event sources.
    pub kafka: Vec<KafkaSource>,
}

/// `EventInvokeConfig`: how often and how long a failed asynchronous invocation is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsyncSpec {
    /// `MaximumRetryAttempts`, 0 to 2.
    pub retries: u32,
    /// `MaximumEventAgeInSeconds`.
    pub max_age: Duration,
}

impl Default for AsyncSpec {
    fn default() -> Self {
        Self { retries: 2, max_age: Duration::from_secs(6 * 3600) }
    }
}

/// Where the template says a function's package is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeUri {
    /// A folder or a file, relative to the template's folder.
    Path(String),
    /// An object in S3.
    InS3,
}

impl CodeUri {
    fn of(uri: &Value) -> Option<Self> {
        match uri {
            Value::String(uri) if uri.starts_with("s3://") => Some(Self::InS3),
            Value::String(path) => Some(Self::Path(path.clone())),
            Value::Object(_) => Some(Self::InS3),
            _ => None,
        }
    }
}

/// The least memory of a function, which is what one has that says nothing of it.
const LEAST_MEMORY_MB: u32 = 128;

/// Without effect on how a function runs on one machine. Its names are read before it ([`super::names`]).
const SILENT: [&str; 17] = [
    "AssumeRolePolicyDocument",
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "CodeSigningConfigArn",
    "CodeSha256",
    "DeploymentPreference",
    "Description",
    "FunctionName",
    "KmsKeyArn",
    "PackageType",
    "PropagateTags",
    "RolePath",
    "RuntimeManagementConfig",
    "SourceKMSKeyArn",
    "Tags",
    "VersionDescription",
    "VersionDeletionPolicy",
];

const NOT_SUPPORTED: [(&str, &str); 18] = [
    ("DeadLetterQueue", "failed asynchronous invocations are logged, not sent on"),
    ("DurableConfig", "durable functions are not emulated"),
    ("EphemeralStorage", "/tmp is this machine's, without a limit"),
    ("FileSystemConfigs", "file systems are not mounted"),
    ("ImageConfig", "container images are not run"),
    ("ImageUri", "container images are not run"),
    ("InlineCode", "inline code is not run"),
    ("Layers", "layers and extensions are not loaded"),
    ("LoggingConfig", "logs keep the functions' own form and place"),
    ("PermissionsBoundary", "IAM is not enforced"),
    ("Policies", "IAM is not enforced"),
    ("ProvisionedConcurrencyConfig", "environments start on demand"),
    ("PublishToLatestPublished", "versions and aliases are not kept apart"),
    ("RecursiveLoop", "recursive loops are not detected"),
    ("Role", "IAM is not enforced"),
    ("SnapStart", "snapshots are not taken"),
    ("TenancyConfig", "tenants are not isolated"),
    ("VpcConfig", "functions run in this machine's network"),
];

/// Reads a function. Where it is only fed from here and runs elsewhere, no more of it is read than that takes.
pub(crate) fn read(
    logical_id: &str,
    names: &Names,
    properties: &Map<String, Value>,
    needed: Needed,
    scope: &Scope<'_>,
) -> Option<FunctionSpec> {
    let path = format!("Resources.{logical_id}.Properties");
    let mut fields = Fields::new(path, properties, scope);
    if !is_custom_runtime(&mut fields, scope) {
        return None;
    }
    let seconds = fields.integer("Timeout", 1..=900).unwrap_or(3);
    let spec = FunctionSpec {
        name: names.name().to_owned(),
        logical_id: logical_id.to_owned(),
        function_name: names.function_name.clone().filter(|name| name != names.name()),
        binary: names.binary.clone(),
        code_uri: None,
        architecture: None,
        handler: String::new(),
        variables: BTreeMap::new(),
        timeout: Duration::from_secs(seconds.unsigned_abs()),
        memory_mb: LEAST_MEMORY_MB,
        reserved_concurrency: None,
        environment_concurrency: 1,
        managed_instances: false,
        max_environments: None,
        url: None,
        asynchronous: AsyncSpec::default(),
        kafka: kafka::of_events(logical_id, &mut fields, needed, scope),
    };
    Some(if needed == Needed::EventSources { spec } else { to_run(spec, fields, scope) })
}

/// The same with all that it takes to run it here.
fn to_run(spec: FunctionSpec, mut fields: Fields<'_>, scope: &Scope<'_>) -> FunctionSpec {
    let (environment_concurrency, managed_instances) = capacity(&mut fields);
    let spec = FunctionSpec {
        code_uri: fields.if_known("CodeUri").and_then(|uri| CodeUri::of(&uri)),
        architecture: architecture(&mut fields),
        handler: fields.text("Handler").unwrap_or_else(|| "bootstrap".to_owned()),
        variables: variables::read(&mut fields, scope),
        memory_mb: memory_mb(&mut fields),
        reserved_concurrency: fields.integer("ReservedConcurrentExecutions", 0..=1_000_000).map(to_usize),
        environment_concurrency,
        managed_instances,
        max_environments: scaling(&mut fields),
        url: url::read(&mut fields, scope),
        asynchronous: asynchronous(&mut fields),
        ..spec
    };
    if fields.if_known("Tracing").is_some_and(|mode| mode == "Active") {
        scope.findings.not_supported(&fields.path("Tracing"), "trace ids are handed on, but X-Ray gets no segments");
    }
    fields.finish(&SILENT, &NOT_SUPPORTED);
    spec
}

fn to_usize(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

fn is_custom_runtime(fields: &mut Fields<'_>, scope: &Scope<'_>) -> bool {
    match fields.text("Runtime") {
        Some(runtime) if runtime.starts_with("provided") => true,
        Some(runtime) => {
            scope.findings.not_supported(&fields.path("Runtime"), format!("{runtime} is not run, only provided.* is"));
            false
        }
        None => {
            scope.findings.not_supported(&fields.path("Runtime"), "the function is not run: Runtime is not provided.*");
            false
        }
    }
}

fn memory_mb(fields: &mut Fields<'_>) -> u32 {
    let memory = fields.integer("MemorySize", i64::from(LEAST_MEMORY_MB)..=32_768);
    memory.and_then(|memory| u32::try_from(memory).ok()).unwrap_or(LEAST_MEMORY_MB)
}

/// The one of `Architectures`, which has no more: what AWS runs the function on.
fn architecture(fields: &mut Fields<'_>) -> Option<String> {
    let list = fields.if_known("Architectures")?;
    list.as_array()?.first()?.as_str().map(str::to_owned)
}

/// Requests per environment, and whether the function runs on Managed Instances.
fn capacity(fields: &mut Fields<'_>) -> (usize, bool) {
    let Some(mut config) = fields.map("CapacityProviderConfig") else { return (1, false) };
    let concurrency = config.integer("PerExecutionEnvironmentMaxConcurrency", 1..=1_600);
    config.finish(&["Arn", "ExecutionEnvironmentMemoryGiBPerVCpu"], &[]);
    // Rust's default on Managed Instances is 8 per vCPU; the smallest function has one.
    (to_usize(concurrency.unwrap_or(8)), true)
}

fn scaling(fields: &mut Fields<'_>) -> Option<usize> {
    let mut config = fields.map("FunctionScalingConfig")?;
    let most = config.integer("MaxExecutionEnvironments", 0..=15_000).map(to_usize);
    config.finish(&[], &[("MinExecutionEnvironments", "environments start on demand")]);
    most
}

fn asynchronous(fields: &mut Fields<'_>) -> AsyncSpec {
    let mut spec = AsyncSpec::default();
    let Some(mut config) = fields.map("EventInvokeConfig") else { return spec };
    if let Some(retries) = config.integer("MaximumRetryAttempts", 0..=2) {
        spec.retries = u32::try_from(retries).unwrap_or_default();
    }
    if let Some(seconds) = config.integer("MaximumEventAgeInSeconds", 60..=21_600) {
        spec.max_age = Duration::from_secs(seconds.unsigned_abs());
    }
    config.finish(&[], &[("DestinationConfig", "results of asynchronous invocations are logged, not sent on")]);
    spec
}
