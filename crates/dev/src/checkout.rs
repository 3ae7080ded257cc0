//! Another checkout of this repository, and its own `cargo dev`.

use crate::prepare::build;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `--against` names.
pub(crate) fn against(checkout: &Path) -> Result<PathBuf> {
    fs::canonicalize(checkout).with_context(|| format!("--against {}", checkout.display()))
}

/// `cargo dev` of that checkout.
pub(crate) fn dev(workspace: &Workspace, checkout: &Path, words: &[&str]) -> Command {
    let mut cargo = cargo(workspace, checkout);
    cargo.arg("dev").args(words);
    cargo
}

/// cargo in that checkout, with a target directory of its own where it is another than this one. It is told nothing of where
/// it is started from; what .cargo/config.toml sets, it sets itself.
pub(crate) fn cargo(workspace: &Workspace, checkout: &Path) -> Command {
    let mut cargo = build::cargo(workspace);
    if checkout != workspace.root() {
        cargo.current_dir(checkout).env(build::TARGET, checkout.join("target"));
    }
    for name in ["PASSBOOK_NO_BUILD", "PASSBOOK_ROOT", "PASSBOOK_DATA", "C_INCLUDE_PATH", "CFLAGS"] {
        cargo.env_remove(name);
    }
    cargo
}
