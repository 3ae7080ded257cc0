//! One function of a template, as the runtime needs it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::fields::Fields;
use super::kafka::{self, KafkaSource};
use super::resolve::{Scope, scalar_text};

/// A function: what to run, with which variables, and how much of it at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSpec {
    /// The name it is invoked by: `Metadata.BuildProperties.Binary`, else `FunctionName`, else the logical id.
    pub name: String,
    /// The resource's name in the template.
    pub logical_id: String,
    /// `FunctionName`, when the template gives one.
    pub function_name: Option<String>,
    /// `CodeUri`, when it is a path.
    pub code_uri: Option<String>,
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

/// A function URL's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlSpec {
    /// Cross-origin rules; when given they override the function's own headers.
    pub cors: Option<Cors>,
    /// `InvokeMode: RESPONSE_STREAM`: an answer may be as large as a streamed one.
    pub streams: bool,
}

/// `FunctionUrlConfig.Cors`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// `AllowOrigins`.
    pub origins: Vec<String>,
    /// `AllowMethods`.
    pub methods: Vec<String>,
    /// `AllowHeaders`.
    pub headers: Vec<String>,
    /// `ExposeHeaders`.
    pub expose: Vec<String>,
    /// `AllowCredentials`.
    pub credentials: bool,
    /// `MaxAge`, in seconds.
    pub max_age_s: u32,
}

/// `EventInvokeConfig`: how often and how long a failed asynchronous invocation is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsyncSpec {
    /// `MaximumRetryAttempts`, 0 to 2.
    pub retries: u32,
    /// `MaximumEventAgeInSeconds`.
    pub max_age: Duration,
}

/// Without effect on how a function runs on one machine.
const SILENT: [&str; 17] = [
    "Architectures",
    "AssumeRolePolicyDocument",
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "CodeSigningConfigArn",
    "CodeSha256",
    "DeploymentPreference",
    "Description",
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

pub(crate) fn read(
    logical_id: &str,
    name: &str,
    binary: Option<&str>,
    properties: &Map<String, Value>,
    scope: &Scope<'_>,
) -> Option<FunctionSpec> {
    let path = format!("Resources.{logical_id}.Properties");
    let mut fields = Fields::new(path, properties, scope);
    if !is_custom_runtime(&mut fields, scope) {
        return None;
    }
    let seconds = fields.integer("Timeout", 1..=900).unwrap_or(3);
    let (environment_concurrency, managed_instances) = capacity(&mut fields, scope);
    let spec = FunctionSpec {
        name: name.to_owned(),
        logical_id: logical_id.to_owned(),
        function_name: fields.text("FunctionName").filter(|_| binary.is_some()),
        code_uri: fields.value("CodeUri").and_then(|uri| uri.as_str().map(str::to_owned)),
        handler: fields.text("Handler").unwrap_or_else(|| "bootstrap".to_owned()),
        variables: variables(&mut fields, scope),
        timeout: Duration::from_secs(seconds.unsigned_abs()),
        memory_mb: u32::try_from(fields.integer("MemorySize", 128..=32_768).unwrap_or(128)).unwrap_or(128),
        reserved_concurrency: fields.integer("ReservedConcurrentExecutions", 0..=1_000_000).map(to_usize),
        environment_concurrency,
        managed_instances,
        max_environments: scaling(&mut fields, scope),
        url: url(&mut fields, scope),
        asynchronous: asynchronous(&mut fields, scope),
        kafka: kafka::of_events(logical_id, &mut fields, scope),
    };
    if fields.text("Tracing").is_some_and(|mode| mode == "Active") {
        scope.findings.not_supported(&fields.path("Tracing"), "trace ids are handed on, but X-Ray gets no segments");
    }
    fields.finish(&SILENT, &NOT_SUPPORTED);
    Some(spec)
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

/// Lambda's reserved names, which a template may not set.
const RESERVED: [&str; 10] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_REGION",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

fn variables(fields: &mut Fields<'_>, scope: &Scope<'_>) -> BTreeMap<String, String> {
    let path = fields.path("Environment.Variables");
    let Some(Value::Object(variables)) = fields.raw("Environment").and_then(|environment| environment.get("Variables"))
    else {
        return BTreeMap::new();
    };
    let mut texts = BTreeMap::new();
    for (name, value) in variables {
        let path = format!("{path}.{name}");
        if RESERVED.contains(&name.as_str()) {
            scope.findings.problem(&path, "is reserved by Lambda and cannot be set");
        }
        if scope.overridden.contains(name) {
            continue;
        }
        if let Ok(Some(value)) = scope.resolve(&path, value) {
            match scalar_text(&value) {
                Some(text) if text.contains("{{resolve:") => {
                    scope.findings.problem(&path, "is known only on AWS, which resolves it; give a value with --env");
                }
                Some(text) => drop(texts.insert(name.clone(), text)),
                None => drop(scope.findings.problem(&path, "must be a text")),
            }
        }
    }
    texts
}

/// Requests per environment, and whether the function runs on Managed Instances.
fn capacity(fields: &mut Fields<'_>, scope: &Scope<'_>) -> (usize, bool) {
    let path = fields.path("CapacityProviderConfig");
    let Some(config) = fields.map("CapacityProviderConfig") else { return (1, false) };
    let mut config = Fields::new(path, &config, scope);
    let concurrency = config.integer("PerExecutionEnvironmentMaxConcurrency", 1..=1_600);
    config.finish(&["Arn", "ExecutionEnvironmentMemoryGiBPerVCpu"], &[]);
    // Rust's default on Managed Instances is 8 per vCPU; the smallest function has one.
    (to_usize(concurrency.unwrap_or(8)), true)
}

fn scaling(fields: &mut Fields<'_>, scope: &Scope<'_>) -> Option<usize> {
    let path = fields.path("FunctionScalingConfig");
    let config = fields.map("FunctionScalingConfig")?;
    let mut config = Fields::new(path, &config, scope);
    let most = config.integer("MaxExecutionEnvironments", 0..=15_000).map(to_usize);
    config.finish(&[], &[("MinExecutionEnvironments", "environments start on demand")]);
    most
}

fn url(fields: &mut Fields<'_>, scope: &Scope<'_>) -> Option<UrlSpec> {
    let path = fields.path("FunctionUrlConfig");
    let config = fields.map("FunctionUrlConfig")?;
    let mut config = Fields::new(path, &config, scope);
    let iam = config.word("AuthType", &[("NONE", false), ("AWS_IAM", true)]);
    if iam == Some(true) {
        scope.findings.not_supported(&config.path("AuthType"), "AWS_IAM is not enforced: every caller is let in");
    }
    let streams = config.word("InvokeMode", &[("BUFFERED", false), ("RESPONSE_STREAM", true)]) == Some(true);
    if streams {
        scope.findings.not_supported(&config.path("InvokeMode"), "streamed responses reach the caller in one piece");
    }
    let cors_path = config.path("Cors");
    let cors = config.map("Cors").map(|cors| read_cors(Fields::new(cors_path, &cors, scope)));
    config.finish(&[], &[]);
    Some(UrlSpec { cors, streams })
}

fn read_cors(mut fields: Fields<'_>) -> Cors {
    let cors = Cors {
        origins: fields.texts("AllowOrigins").unwrap_or_default(),
        methods: fields.texts("AllowMethods").unwrap_or_default(),
        headers: fields.texts("AllowHeaders").unwrap_or_default(),
        expose: fields.texts("ExposeHeaders").unwrap_or_default(),
        credentials: fields.flag("AllowCredentials").unwrap_or_default(),
        max_age_s: u32::try_from(fields.integer("MaxAge", 0..=86_400).unwrap_or(0)).unwrap_or(0),
    };
    fields.finish(&[], &[]);
    cors
}

fn asynchronous(fields: &mut Fields<'_>, scope: &Scope<'_>) -> AsyncSpec {
    let mut spec = AsyncSpec { retries: 2, max_age: Duration::from_secs(6 * 3600) };
    let path = fields.path("EventInvokeConfig");
    let Some(config) = fields.map("EventInvokeConfig") else { return spec };
    let mut config = Fields::new(path, &config, scope);
    if let Some(retries) = config.integer("MaximumRetryAttempts", 0..=2) {
        spec.retries = u32::try_from(retries).unwrap_or_default();
    }
    if let Some(seconds) = config.integer("MaximumEventAgeInSeconds", 60..=21_600) {
        spec.max_age = Duration::from_secs(seconds.unsigned_abs());
    }
    config.finish(&[], &[("DestinationConfig", "results of asynchronous invocations are logged, not sent on")]);
    spec
}
