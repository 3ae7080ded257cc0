//! lambda-local: runs both functions as template.yaml describes them, and polls the log for the one that Kafka triggers.

use super::{Part, Probe, Stop, args, loopback, with_path};
use crate::stack::StackFile;
use crate::workspace::{StackDir, Workspace};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

pub(crate) const NAME: &str = "lambda-local";
/// More of them, each for NGINX to send requests for `api` to. Their number is a bound of ours; `--api-backends` says so.
pub(crate) const FURTHER_BACK_ENDS: [&str; 3] = ["lambda-local-2", "lambda-local-3", "lambda-local-4"];
pub(crate) const POLLER: &str = "poller";
/// An invocation of `settler` may take its whole minute.
pub(crate) const STOP: Stop = Stop::terminate(70);

/// Values for the parameters of template.yaml.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    pub(crate) brokers: String,
    pub(crate) mongo: String,
    /// Plain Lambda: an environment takes one request at a time.
    pub(crate) one_request_per_environment: bool,
    /// Environment variables the functions get on top of the template's.
    pub(crate) env: Vec<String>,
}

impl Parameters {
    /// For one invocation, or for reading the log, on the stores of a running stack.
    pub(crate) fn on_stores_of(stack: &StackFile) -> Self {
        Self {
            brokers: stack.brokers.clone(),
            mongo: stack.mongo.clone(),
            one_request_per_environment: true,
            env: Vec::new(),
        }
    }

    pub(crate) fn args(&self) -> Vec<String> {
        let mut values = vec![format!("KafkaBootstrapServers={}", self.brokers), format!("MongoUri={}", self.mongo)];
        if !self.one_request_per_environment {
            values.push("CapacityProviderArn=local".to_owned());
        }
        values.into_iter().flat_map(|value| ["--parameter".to_owned(), value]).collect()
    }

    fn env_args(&self) -> Vec<String> {
        self.env.iter().flat_map(|value| ["--env".to_owned(), value.clone()]).collect()
    }
}

/// Both functions.
pub(crate) fn part(workspace: &Workspace, dir: &StackDir, port: u16, parameters: &Parameters) -> Part {
    start(NAME, workspace, dir, port, parameters)
}

/// `api` alone, in a process of its own; it polls nothing.
pub(crate) fn further_back_end(
    name: &'static str,
    workspace: &Workspace,
    dir: &StackDir,
    port: u16,
    parameters: &Parameters,
) -> Part {
    let mut part = start(name, workspace, dir, port, parameters);
    part.args.extend(args(["--function", "api"]));
    part
}

fn start(name: &'static str, workspace: &Workspace, dir: &StackDir, port: u16, parameters: &Parameters) -> Part {
    let args = words_of_start(workspace, port, &workspace.binaries(), &dir.logs(), parameters);
    Part {
        name,
        program: workspace.binary("lambda-local"),
        args,
        env: Vec::new(),
        dir: Some(workspace.root().to_owned()),
        address: url(port),
        ready: Probe::Http(format!("{}/health", url(port))),
        // It is ready when it polls; a broker that reads its log again after a kill keeps it waiting.
        ready_within: Duration::from_secs(300),
        stop: STOP,
        forgets: false,
    }
}

/// `lambda-local start`, of programs and with logs in these folders.
pub(crate) fn words_of_start(
    workspace: &Workspace,
    port: u16,
    binaries: &Path,
    logs: &Path,
    parameters: &Parameters,
) -> Vec<OsString> {
    let listen = format!("127.0.0.1:{port}");
    let mut args = args(["start", "--listen", &listen]);
    args = with_path(args, "--template", &workspace.file("template.yaml"));
    args = with_path(args, "--binaries", binaries);
    args = with_path(args, "--log-dir", logs);
    args.extend(parameters.args().into_iter().chain(parameters.env_args()).map(Into::into));
    args
}

/// Feeds the functions of another Invoke endpoint from the log.
pub(crate) fn poller(workspace: &Workspace, invoke: &str, parameters: &Parameters) -> Part {
    let mut args = args(["poll", "--invoke", invoke]);
    args = with_path(args, "--template", &workspace.file("template.yaml"));
    args.extend(parameters.args().into_iter().map(Into::into));
    Part {
        name: POLLER,
        program: workspace.binary("lambda-local"),
        args,
        env: Vec::new(),
        dir: Some(workspace.root().to_owned()),
        address: invoke.to_owned(),
        ready: Probe::Started,
        ready_within: Duration::from_secs(5),
        stop: STOP,
        forgets: false,
    }
}

/// Whether a part of this name runs functions.
pub(crate) fn is_one(part: &str) -> bool {
    part == NAME || FURTHER_BACK_ENDS.contains(&part)
}

/// Every part of lambda-local's that reads or writes the log.
pub(crate) fn all() -> Vec<&'static str> {
    [NAME, POLLER].into_iter().chain(FURTHER_BACK_ENDS).collect()
}

pub(crate) fn url(port: u16) -> String {
    format!("http://{}", loopback(port))
}
