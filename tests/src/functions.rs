//! Both functions under a lambda-local of their own, for tests about what they are told rather than about a whole stack.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::kept::Kept;
use crate::logs::{self, Expected};
use crate::{Client, release_binary, root, wait_until};

/// It is ready when its poller polls.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// What they are told beside what template.yaml says.
#[derive(Debug, Default, Clone)]
pub struct Told {
    /// Values for the template's parameters.
    pub parameters: Vec<(&'static str, String)>,
    /// Environment variables.
    pub variables: Vec<(&'static str, String)>,
    /// librdkafka's settings, for the poller.
    pub poller: Vec<(&'static str, String)>,
    /// Environment variables of lambda-local itself, of which the functions get the credentials of AWS.
    pub credentials: Vec<(&'static str, String)>,
}

#[derive(Debug)]
pub struct Functions {
    lambda_local: Kept,
    dir: TempDir,
    url: String,
}

impl Functions {
    pub fn start(told: &Told) -> Result<Self> {
        // Kept to look at unless the test comes to its end, which is `finish`.
        let dir = tempfile::Builder::new().prefix("passbook-functions-").disable_cleanup(true).tempdir()?;
        let logs = dir.path().join("logs");
        fs::create_dir(&logs)?;
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let mut command = Command::new(release_binary("lambda-local"));
        command.args(["start", "--listen", &listen, "--template"]).arg(root().join("template.yaml"));
        command.arg("--binaries").arg(release_binary("")).arg("--log-dir").arg(&logs);
        for (option, values) in
            [("--parameter", &told.parameters), ("--env", &told.variables), ("--kafka-config", &told.poller)]
        {
            command.args(values.iter().flat_map(|(name, value)| [option.to_owned(), format!("{name}={value}")]));
        }
        command.envs(told.credentials.iter().map(|(name, value)| (name, value)));
        let lambda_local = Kept::start(&command, &logs.join("lambda-local.log"))?;
        let functions = Self { lambda_local, dir, url: format!("http://{listen}") };
        let at = Client::new(&functions.url);
        wait_until("lambda-local is ready", READY_WITHIN, || {
            let health = at.get("/health").with_context(|| functions.log("lambda-local"))?.json(200)?;
            ensure!(health["ready"] == true, "{health}\n{}", functions.log("lambda-local"));
            Ok(Some(()))
        })?;
        Ok(functions)
    }

    /// Of the function URL of `api`.
    pub fn client(&self) -> Client {
        Client::new(&format!("{}/lambda-url/api", self.url))
    }

    /// What one of them has said so far.
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.log_file(name)).unwrap_or_default()
    }

    fn log_file(&self, name: &str) -> PathBuf {
        self.dir.path().join("logs").join(format!("{name}.log"))
    }

    /// Down, with every log looked through for what it should not say.
    pub fn finish(self, expected: &[Expected]) -> Result<()> {
        let Self { lambda_local, dir, .. } = self;
        drop(lambda_local);
        logs::scan(&dir.path().join("logs"), expected)?;
        Ok(dir.close()?)
    }
}
