//! Builds the functions and tools in release. Cargo shows its own progress, and knows what is up to date.

use crate::workspace::{BUILT, Workspace};
use anyhow::{Context, Result, bail};
use std::env;
use std::process::Command;

/// The cargo this program was started by, else the one on the PATH, in the repository.
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace.root());
    cargo
}

/// Named as programs, not as packages, so that dependencies get the features they have in the whole workspace: the tests
/// and `cargo lambda watch` then use what is compiled here.
pub(crate) fn release(workspace: &Workspace) -> Result<()> {
    if BUILT.iter().any(|name| !workspace.binary(name).exists()) {
        println!("  build         compiling the functions and tools in release; the first time takes several minutes");
    }
    let mut cargo = cargo(workspace);
    cargo.args(["build", "--release"]).args(BUILT.iter().flat_map(|name| ["--bin", name]));
    let status = cargo.status().context("cannot run cargo")?;
    if status.success() { Ok(()) } else { bail!("the build failed (see above)") }
}
