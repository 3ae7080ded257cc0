//! `passbook`, the operator's command line, asked for everything that takes a Kafka or MongoDB client.

use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

#[derive(Debug, Clone)]
pub(crate) struct Operator {
    program: PathBuf,
    brokers: String,
    mongo: String,
}

/// What `passbook lag --json` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Lag {
    pub(crate) partitions: Vec<PartitionLag>,
    /// Accepted commands that are not yet settled.
    pub(crate) lag: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct PartitionLag {
    pub(crate) partition: u16,
    pub(crate) settled: u64,
    pub(crate) lag: u64,
    /// `settled`, `behind` or `stuck`.
    pub(crate) state: String,
}

impl Lag {
    pub(crate) fn settled(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.settled).sum()
    }
}

impl Operator {
    pub(crate) fn new(workspace: &Workspace, brokers: &str, mongo: &str) -> Self {
        Self { program: workspace.binary("passbook"), brokers: brokers.to_owned(), mongo: mongo.to_owned() }
    }

    /// Makes the topics unless they are there; on a broker that forgot them this begins the next generation.
    pub(crate) fn make_topics(&self, partitions: u16) -> Result<String> {
        self.ask(&["topics", "create", "--if-missing", "--partitions", &partitions.to_string()])
    }

    /// Makes the indexes; for a mongod of ours also the replica set, once.
    pub(crate) fn make_store(&self, of_ours: bool) -> Result<String> {
        let words: &[&str] = if of_ours { &["store", "init", "--single-node-replica-set"] } else { &["store", "init"] };
        self.ask(words)
    }

    /// A partition that is stuck has it end with 1, when it has said all the same.
    pub(crate) fn lag(&self) -> Result<Lag> {
        let words = ["lag", "--json"];
        let output = self.run(&words)?;
        match serde_json::from_slice(&output.stdout) {
            Ok(lag) => Ok(lag),
            Err(error) => {
                let said = Self::said(&words, &output)?;
                Err(error).with_context(|| format!("`passbook lag --json` said what is not JSON: {said}"))
            }
        }
    }

    /// What it printed; its complaint as the error when it fails.
    fn ask(&self, words: &[&str]) -> Result<String> {
        Self::said(words, &self.run(words)?)
    }

    /// Addresses go by the environment: they may hold a password, and arguments can be read by everybody on the machine.
    fn run(&self, words: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.program);
        // In a group of its own: a Ctrl-C is for this program, which goes on asking while it drains the log.
        command.args(words).stdin(Stdio::null()).process_group(0);
        command.env("KAFKA_BOOTSTRAP_SERVERS", &self.brokers).env("MONGODB_URI", &self.mongo);
        command.output().with_context(|| format!("cannot run {}", self.program.display()))
    }

    fn said(words: &[&str], output: &Output) -> Result<String> {
        if !output.status.success() {
            let said = [output.stderr.as_slice(), output.stdout.as_slice()].concat();
            bail!("`passbook {}` failed: {}", words.join(" "), String::from_utf8_lossy(&said).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_read_as_it_is_printed() {
        let said = r#"{"partitions":[{"partition":0,"end":10,"settled":9,"lag":1,"oldest_ms":7,"state":"behind"},{"partition":1,"end":5,"settled":5,"lag":0,"state":"settled"}],"lag":1}"#;
        let lag: Lag = serde_json::from_str(said).unwrap();
        assert_eq!((lag.lag, lag.settled()), (1, 14));
    }
}
