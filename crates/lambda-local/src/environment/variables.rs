//! The environment variables of a function's process: Lambda's own, the template's, and of this program's only those a
//! program cannot do without, and those that tell the AWS SDKs whom to call and as whom.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::function::Function;
use crate::pool::EnvironmentId;

/// Every service has an endpoint of its own: `AWS_ENDPOINT_URL_KAFKA`, and one for all.
const ENDPOINTS: &str = "AWS_ENDPOINT_URL";

const INHERITED: [&str; 17] = [
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "TMPDIR",
    "RUST_BACKTRACE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CA_BUNDLE",
    "AWS_EC2_METADATA_DISABLED",
];

/// Those of them that name a file or a folder, or a list of them.
const PATHS: [&str; 9] = [
    "PATH",
    "HOME",
    "LD_LIBRARY_PATH",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CA_BUNDLE",
];

pub(super) fn of(function: &Function, id: EnvironmentId, runtime_api: &str) -> BTreeMap<String, OsString> {
    let spec = &function.spec;
    let own = env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let mut variables: BTreeMap<String, OsString> =
        own.filter(|(name, _)| is_inherited(name)).map(from_another_folder).collect();
    variables.extend(spec.variables.iter().map(|(name, value)| (name.clone(), value.into())));
    let lambda: [(&str, OsString); 13] = [
        ("AWS_DEFAULT_REGION", function.settings.region.as_str().into()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", spec.memory_mb.to_string().into()),
        ("AWS_LAMBDA_FUNCTION_NAME", spec.name.as_str().into()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".into()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".into()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", spec.name).into()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", format!("local/[$LATEST]{}", id.0).into()),
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.into()),
        ("AWS_REGION", function.settings.region.as_str().into()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".into()),
        ("LAMBDA_TASK_ROOT", function.task_root().into()),
        ("TZ", "UTC".into()),
        ("_HANDLER", spec.handler.as_str().into()),
    ];
    variables.extend(lambda.map(|(name, value)| (name.to_owned(), value)));
    if spec.managed_instances {
        variables.insert("AWS_LAMBDA_MAX_CONCURRENCY".to_owned(), spec.environment_concurrency.to_string().into());
    }
    variables
}

/// A function works in a folder of its own, where what is relative to this program's would be something else.
fn from_another_folder((name, value): (String, OsString)) -> (String, OsString) {
    if !PATHS.contains(&name.as_str()) {
        return (name, value);
    }
    let absolute = |path: PathBuf| match path.to_str() {
        // The AWS SDKs put the home folder in, and nothing is nothing.
        Some(text) if text.is_empty() || text.starts_with('~') => path,
        _ => std::path::absolute(&path).unwrap_or(path),
    };
    let paths = env::join_paths(env::split_paths(&value).map(absolute));
    (name, paths.unwrap_or(value))
}

fn is_inherited(name: &str) -> bool {
    INHERITED.contains(&name) || name.strip_prefix(ENDPOINTS).is_some_and(|of| of.is_empty() || of.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_relative_to_this_programs_folder_stays_where_it_is() {
        let here = env::current_dir().unwrap();
        let here = here.to_str().unwrap();
        for (name, value, expected) in [
            ("AWS_CONFIG_FILE", "aws/config", format!("{here}/aws/config")),
            ("AWS_CONFIG_FILE", "~/.aws/config", "~/.aws/config".to_owned()),
            ("SSL_CERT_DIR", "/etc/ssl:certs", format!("/etc/ssl:{here}/certs")),
            ("PATH", "/bin::bin", format!("/bin::{here}/bin")),
            ("LANG", "de", "de".to_owned()),
        ] {
            let inherited = from_another_folder((name.to_owned(), value.into()));
            assert_eq!(inherited, (name.to_owned(), expected.into()), "{value}");
        }
    }

    #[test]
    fn what_the_sdks_need_is_inherited_and_the_rest_is_not() {
        let endpoints = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KAFKA", "AWS_ENDPOINT_URL_DYNAMODB"];
        let credentials = ["AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"];
        for name in endpoints.into_iter().chain(credentials) {
            assert!(is_inherited(name), "{name}");
        }
        for name in ["AWS_ENDPOINT_URLS", "AWS_REGION", "SHELL", ""] {
            assert!(!is_inherited(name), "{name}");
        }
    }
}
