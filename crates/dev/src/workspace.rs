//! Where things are: the repository, the parts it shares between stacks, and the files of one stack.

use crate::prepare::build::TARGET;
use anyhow::{Context, Result};
use std::env;
use std::path::{Path, PathBuf};

/// The functions and tools `up` builds, in release.
pub(crate) const BUILT: [&str; 4] = ["api", "settler", "lambda-local", "passbook"];
/// Those of them that Lambda runs.
pub(crate) const FUNCTIONS: [&str; 2] = ["api", "settler"];

#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// The repository of this program; or the one PASSBOOK_ROOT names, for a test with a copy of its own.
    pub(crate) fn here() -> Result<Self> {
        let root = match env::var_os("PASSBOOK_ROOT") {
            Some(root) => PathBuf::from(root),
            None => {
                crate_dir().ancestors().nth(2).context("crates/dev lies two levels below the repository")?.to_owned()
            }
        };
        let target = match env::var_os(TARGET) {
            Some(target) => std::path::absolute(target).context(TARGET)?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// Another checkout, with a target directory of its own.
    pub(crate) fn at(root: PathBuf) -> Self {
        let target = root.join("target");
        Self { root, target }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    pub(crate) fn file(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub(crate) fn local(&self) -> PathBuf {
        self.root.join(".local")
    }

    pub(crate) fn binaries(&self) -> PathBuf {
        self.target.join("release")
    }

    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.binaries().join(name)
    }

    /// The directory of a stack: what was asked for, or `.local/stack`. It need not exist.
    pub(crate) fn stack_dir(&self, asked: Option<&Path>) -> Result<StackDir> {
        let root = match asked {
            Some(path) => std::path::absolute(path).with_context(|| format!("--data {}", path.display()))?,
            None => self.local().join("stack"),
        };
        Ok(StackDir { root })
    }
}

/// As `cargo run` says it, since two clones with one CARGO_TARGET_DIR share this program; else where it was compiled.
fn crate_dir() -> PathBuf {
    let run_by_cargo = env::var_os("CARGO_PKG_NAME").is_some_and(|name| name == env!("CARGO_PKG_NAME"));
    let said = env::var_os("CARGO_MANIFEST_DIR").filter(|_| run_by_cargo);
    said.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

/// The files of one stack.
#[derive(Debug, Clone)]
pub(crate) struct StackDir {
    root: PathBuf,
}

impl StackDir {
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn mongo(&self) -> PathBuf {
        self.root.join("mongo")
    }

    pub(crate) fn kafka(&self) -> PathBuf {
        self.root.join("kafka")
    }

    pub(crate) fn nginx(&self) -> PathBuf {
        self.root.join("nginx")
    }

    pub(crate) fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    pub(crate) fn log(&self, part: &str) -> PathBuf {
        self.logs().join(format!("{part}.log"))
    }

    pub(crate) fn stack_file(&self) -> PathBuf {
        self.root.join("stack.json")
    }

    /// Held by the one `up` that may prepare and start the stack.
    pub(crate) fn start_lock_file(&self) -> PathBuf {
        self.root.join("start.lock")
    }

    /// Held by the supervisor as long as it lives.
    pub(crate) fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }
}
