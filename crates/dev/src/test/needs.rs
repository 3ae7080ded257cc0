//! What the tests of a package need. Its Cargo.toml says it:
//!
//!     [package.metadata.dev]
//!     tests-need = ["mongod"]

use super::plan::NeedsOf;
use crate::prepare::{Pinned, build, machine};
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Need {
    Mongod,
    Kafka,
    Tansu,
    /// The program that makes certificates.
    Openssl,
    /// The programs and parts of which a test starts stacks of its own.
    Stack,
}

impl Need {
    /// What Debian has to provide.
    pub(super) fn programs(self) -> &'static [machine::Need] {
        match self {
            Self::Mongod | Self::Kafka | Self::Tansu => &[],
            Self::Openssl => &[machine::OPENSSL],
            Self::Stack => &[machine::NGINX, machine::AB, machine::CURL, machine::OPENSSL, machine::JAVAC],
        }
    }

    /// Whether it takes the programs that `cargo dev up` builds: `passbook` makes a store ready.
    pub(super) fn is_built(self) -> bool {
        matches!(self, Self::Mongod | Self::Stack)
    }

    pub(super) fn parts(self) -> &'static [Pinned] {
        match self {
            Self::Mongod => &[Pinned::Mongod],
            Self::Kafka => &[Pinned::Kafka],
            Self::Tansu => &[Pinned::Tansu],
            Self::Openssl => &[],
            Self::Stack => &[Pinned::Mongod, Pinned::Kafka, Pinned::Tansu, Pinned::CargoLambda, Pinned::Rie],
        }
    }
}

/// What `cargo metadata` says, of which this is read.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    metadata: Option<OfPackage>,
}

#[derive(Debug, Default, Deserialize)]
struct OfPackage {
    #[serde(default)]
    dev: OfDev,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OfDev {
    #[serde(default)]
    tests_need: BTreeSet<Need>,
}

pub(super) fn of_packages(workspace: &Workspace) -> Result<NeedsOf> {
    let mut cargo = build::cargo(workspace);
    let output = cargo.args(["metadata", "--no-deps", "--format-version", "1"]).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    read(&output.stdout)
}

fn read(said: &[u8]) -> Result<NeedsOf> {
    let said: Metadata = serde_json::from_slice(said).context(
        "`tests-need` under [package.metadata.dev] of a Cargo.toml holds mongod, kafka, tansu, openssl and stack",
    )?;
    let of = |package: Package| (package.name, package.metadata.unwrap_or_default().dev.tests_need);
    Ok(said.packages.into_iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_says_what_its_tests_need() {
        let said = br#"{"packages":[{"name":"a","metadata":null},{"name":"b","metadata":{"lambda":{}}},
            {"name":"c","metadata":{"dev":{"tests-need":["tansu","kafka"]}}}],"version":1}"#;
        let needs = read(said).unwrap();
        assert_eq!(needs["a"], [].into());
        assert_eq!(needs["b"], [].into());
        assert_eq!(needs["c"], [Need::Kafka, Need::Tansu].into());
        let unknown = br#"{"packages":[{"name":"a","metadata":{"dev":{"tests-need":["redis"]}}}]}"#;
        assert!(format!("{:#}", read(unknown).unwrap_err()).contains("redis"));
    }

    #[test]
    fn every_package_of_the_workspace_can_be_read() {
        let needs = of_packages(&Workspace::here().unwrap()).unwrap();
        assert_eq!(needs["ledger"], [].into());
        assert_eq!(needs["ledger-store"], [Need::Mongod].into());
        assert_eq!(needs["system-tests"], [Need::Stack].into());
    }
}
