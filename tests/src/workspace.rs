use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

/// The root of the repository.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.parent().unwrap_or(here).to_owned()
    })
}

/// A program that `dev up` has built.
pub fn release_binary(name: &str) -> PathBuf {
    target().join("release").join(name)
}

/// The `dev` program: named by PASSBOOK_DEV, or built here.
pub fn dev_program() -> Result<&'static Path> {
    static DEV: OnceLock<PathBuf> = OnceLock::new();
    if let Some(program) = DEV.get() {
        return Ok(program);
    }
    let program = match env::var_os("PASSBOOK_DEV") {
        Some(program) => PathBuf::from(program),
        None => build_dev()?,
    };
    ensure!(program.is_file(), "PASSBOOK_DEV: there is no program {}", program.display());
    Ok(DEV.get_or_init(|| program))
}

fn build_dev() -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--package", "dev"]).current_dir(root());
    let status = build.status().context("cannot run cargo")?;
    ensure!(status.success(), "cargo build --package dev: {status}");
    Ok(target().join("debug/dev"))
}

/// Where cargo puts what it compiles.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
