//! What `dev status --json` says.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process::Identity;
use crate::workspace::{dev_program, root};

#[derive(Debug, Clone, Default, Deserialize)]
pub struct Status {
    /// Nothing while no stack runs.
    pub url: Option<String>,
    pub ready: bool,
    pub parts: Vec<Part>,
}

/// A program of the stack, or an execution environment of a function.
#[derive(Debug, Clone, Deserialize)]
pub struct Part {
    pub name: String,
    /// Nobody while it waits to be started again.
    pub pid: Option<u32>,
    #[serde(default)]
    pub address: Option<String>,
    #[serde(default)]
    pub log: Option<String>,
}

impl Status {
    /// Of the stack in this directory. `dev` exits with 1 while it is not ready, and says why in the same words.
    pub fn of(data: &Path) -> Result<Self> {
        let mut status = Command::new(dev_program()?);
        status.args(["status", "--json", "--data"]).arg(data).current_dir(root());
        let output = status.output().context("cannot run dev")?;
        let said = || format!("dev status: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).with_context(said)
    }

    pub fn processes(&self) -> Vec<Identity> {
        self.parts.iter().filter_map(|part| Identity::of(part.pid?)).collect()
    }

    pub fn part(&self, name: &str) -> Result<&Part> {
        let names = || self.parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(", ");
        let part = self.parts.iter().find(|part| part.name == name);
        part.with_context(|| format!("no part {name} among {}", names()))
    }

    /// The execution environments of a function.
    pub fn environments(&self, function: &str) -> Vec<&Part> {
        let is_its = |part: &&Part| part.name.split_once('/').is_some_and(|(name, _)| name == function);
        self.parts.iter().filter(is_its).collect()
    }

    pub fn address(&self, name: &str) -> Result<&str> {
        self.part(name)?.address.as_deref().with_context(|| format!("{name} has no address"))
    }
}

impl Part {
    pub fn running(&self) -> Result<u32> {
        self.pid.with_context(|| format!("{} does not run", self.name))
    }
}
