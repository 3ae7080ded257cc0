//! Builds the functions and tools in release. Cargo shows its own progress, and knows what is up to date.

use crate::workspace::{BUILT, Workspace};
use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// How the variables begin that cargo sets for one package (The Cargo Book, "Environment variables").
const OF_A_PACKAGE: [&str; 5] =
    ["CARGO_BIN_", "CARGO_CRATE_NAME", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_PRIMARY_PACKAGE"];

/// Where C compilers look for headers; see .cargo/config.toml.
const INCLUDE: &str = "C_INCLUDE_PATH";
/// What C compilers are told; see .cargo/config.toml.
const FLAGS: &str = "CFLAGS";
/// Of those, what librdkafka needs.
const ATOMICS: [&str; 2] = ["-DHAVE_ATOMICS_32_ATOMIC=1", "-DHAVE_ATOMICS_64_ATOMIC=1"];
/// Where cargo puts what it compiles.
pub(crate) const TARGET: &str = "CARGO_TARGET_DIR";

/// The cargo this program was started by, else the one on the PATH, in the repository.
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What this program was told, told to a cargo that runs in another directory; or what it took for granted.
    cargo.current_dir(workspace.root()).env(TARGET, workspace.target());
    if let Some(include) = include_path(workspace) {
        cargo.env(INCLUDE, include);
    }
    cargo.envs(flags());
    forget_this_package(&mut cargo);
    cargo
}

/// Where a person's own C_INCLUDE_PATH, which cargo leaves as it is, has no header of curl's: with ours before it.
fn include_path(workspace: &Workspace) -> Option<OsString> {
    let theirs: Vec<PathBuf> = env::split_paths(&env::var_os(INCLUDE)?).collect();
    if theirs.iter().any(|folder| folder.join("curl/curl.h").exists()) {
        return None;
    }
    env::join_paths([workspace.file(".cargo/include")].into_iter().chain(theirs)).ok()
}

/// The CFLAGS of a cargo that runs for somebody who has set some.
pub(crate) fn flags() -> Option<(&'static str, String)> {
    Some((FLAGS, with_atomics(&env::var(FLAGS).ok()?)))
}

/// A person's own CFLAGS, which cargo leaves as they are, with ours behind them.
fn with_atomics(theirs: &str) -> String {
    let missing = ATOMICS.into_iter().filter(|flag| !theirs.split_whitespace().any(|their| their == *flag));
    [theirs].into_iter().filter(|flags| !flags.is_empty()).chain(missing).collect::<Vec<_>>().join(" ")
}

/// Takes away what `cargo run` told this program of its own package. A build script that asks cargo to watch those
/// variables (ring's did) would be run again, and all that depends on it compiled again, whenever `cargo dev` builds
/// what a plain `cargo build` has built, and the other way round.
pub(crate) fn forget_this_package(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| OF_A_PACKAGE.iter().any(|start| name.starts_with(start))) {
            command.env_remove(name);
        }
    }
}

/// Named as programs, not as packages, so that dependencies get the features they have in the whole workspace: the tests
/// and `cargo lambda watch` then use what is compiled here.
pub(crate) fn command(workspace: &Workspace) -> Command {
    let mut cargo = cargo(workspace);
    cargo.args(["build", "--release"]).args(BUILT.iter().flat_map(|name| ["--bin", name]));
    cargo
}

/// Builds them, after a word about how long the first time takes.
pub(crate) fn release(workspace: &Workspace) -> Result<()> {
    if BUILT.iter().any(|name| !workspace.binary(name).exists()) {
        println!("  build         compiling the functions and tools in release; the first time takes several minutes");
    }
    let status = command(workspace).status().context("cannot run cargo")?;
    if status.success() { Ok(()) } else { bail!("the build failed (see above)") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_a_persons_own_are_kept() {
        let ours = ATOMICS.join(" ");
        assert_eq!(with_atomics("-O2"), format!("-O2 {ours}"));
        for as_they_are in [&ours, &format!("{ours} -g")] {
            assert_eq!(&with_atomics(as_they_are), as_they_are);
        }
        assert_eq!(with_atomics(""), ours);
        let cargos = include_str!("../../../../.cargo/config.toml");
        assert!(cargos.contains(&format!("CFLAGS = \"{ours}\"")), "{cargos}");
    }
}
