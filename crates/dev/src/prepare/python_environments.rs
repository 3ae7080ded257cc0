//! Python programs that come in many packages: each set of them is installed by pip, which checks the hashes pinned in
//! `parts/python/*.txt`, into a virtual environment of its own.

use super::{download, hash};
use crate::say::Step;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One virtual environment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Environment {
    name: &'static str,
    what: &'static str,
    /// What pip is given: every package, with its hashes.
    pins: &'static str,
    /// About what it weighs while it is installed, for the progress bar.
    bytes: u64,
}

pub(crate) const TEMPLATE: Environment = Environment {
    name: "template",
    what: "cfn-lint 1.58.0 and SAM CLI 1.170.0",
    pins: include_str!("../../parts/python/template.txt"),
    bytes: 340_000_000,
};

pub(crate) const COMPOSE: Environment = Environment {
    name: "compose",
    what: "check-jsonschema 0.39.0, hadolint 2.15.1 and pymongo 4.15.3",
    pins: include_str!("../../parts/python/compose.txt"),
    bytes: 84_000_000,
};

pub(crate) const LOCALSTACK: Environment = Environment {
    name: "localstack",
    what: "moto 5.2.5 and AWS's command line 1.46.3",
    pins: include_str!("../../parts/python/localstack.txt"),
    bytes: 454_000_000,
};

/// It comes as a Python package: the compiler and a tree of headers and libraries beside it.
pub(crate) const ZIG: Environment = Environment {
    name: "zig",
    what: "Zig 0.15.2",
    pins: include_str!("../../parts/python/zig.txt"),
    bytes: 470_000_000,
};

/// Runs a program of an environment. Its own first line names the directory it was installed in before it was moved.
pub(crate) fn program(environment: &Path, name: &str) -> Command {
    let mut python = python(environment);
    python.arg(environment.join("bin").join(name));
    python
}

/// Runs a script of the repository with the packages of an environment.
pub(crate) fn script(environment: &Path, file: &Path) -> Command {
    let mut python = python(environment);
    python.arg(file);
    python
}

/// What Python compiles stays in the environment: nothing of it appears beside a script.
fn python(environment: &Path) -> Command {
    let mut python = Command::new(interpreter(environment));
    python.env("PYTHONPYCACHEPREFIX", environment.join("pycache"));
    python
}

/// The Python of an environment, for a program that runs it itself.
pub(crate) fn interpreter(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

impl Environment {
    /// Named by the pins, so that changed pins are another directory.
    pub(crate) fn directory(&self, parts: &Path) -> PathBuf {
        let pin = hash::hex(self.pins);
        parts.join(format!("python-{}-{}", self.name, pin.get(..8).unwrap_or_default()))
    }

    pub(crate) fn fetch(&self, parts: &Path) -> Result<()> {
        let step = Step::begin_bytes("parts", self.what, self.bytes);
        let temp = download::begin(parts)?;
        let environment = temp.path().join("environment");
        make(&environment)?;
        let pins = temp.path().join("pins.txt");
        fs::write(&pins, self.pins)?;
        let scratch = temp.path().join("scratch");
        fs::create_dir(&scratch)?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "--python"]).arg(interpreter(&environment));
        // Not compiled: of hundreds of packages a few modules are ever run, and Python compiles those when they are.
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-compile"]);
        pip.args(["--require-hashes", "--no-deps", "--only-binary=:all:", "--requirement"]).arg(&pins);
        pip.env("TMPDIR", &scratch);
        download::run(&mut pip, temp.path(), &step)
            .with_context(|| format!("cannot install {} from PyPI (it takes Python 3.11 with pip 22.3)", self.what))?;
        download::keep(&environment, &self.directory(parts))?;
        step.done(self.what);
        Ok(())
    }
}

/// An empty environment, into which the machine's own pip installs.
fn make(environment: &Path) -> Result<()> {
    let mut venv = Command::new("python3");
    let output = venv.args(["-m", "venv", "--without-pip"]).arg(environment).output().context("cannot run python3")?;
    if !output.status.success() {
        bail!("python3 -m venv failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned_by_version_and_hash_and_no_registry_is_named() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("parts/python");
        let mut files = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let pins = fs::read_to_string(&path).unwrap();
            let lines = pins.lines().filter(|line| !line.starts_with('#')).map(str::trim).collect::<Vec<_>>();
            for (line, next) in lines.iter().zip(lines.iter().skip(1).chain([&""])) {
                let is_hash = line.starts_with("--hash=sha256:");
                let is_package = line.contains("==") && line.ends_with('\\') && next.starts_with("--hash=sha256:");
                assert!(is_hash || is_package, "{}: {line}", path.display());
            }
            assert!(lines.len() >= 2, "{}", path.display());
            files += 1;
        }
        assert!(files >= 4);
    }

    #[test]
    fn changed_pins_are_another_directory() {
        let changed = Environment { pins: "other==1 --hash=sha256:0", ..TEMPLATE };
        assert_ne!(changed.directory(Path::new("/parts")), TEMPLATE.directory(Path::new("/parts")));
    }
}
