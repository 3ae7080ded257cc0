//! Programs that come inside Python wheels: fetched by pip, which checks the hashes pinned in `parts/*.txt`.

use super::download;
use crate::say::Step;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One program and the wheel it is in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wheel {
    name: &'static str,
    version: &'static str,
    file: &'static str,
    /// What pip is given: the one requirement, with its hashes.
    requirement: &'static str,
    /// About what it weighs, for the progress bar.
    bytes: u64,
    /// What makes it print its version, which shows that it runs here; nothing where no words do.
    version_words: Option<&'static [&'static str]>,
    /// What to do without it, on a kind of machine where it does not run.
    instead: &'static str,
}

pub(crate) const MONGOD: Wheel = Wheel {
    name: "MongoDB",
    version: "6.0.5",
    file: "mongod",
    requirement: include_str!("../../parts/mongod.txt"),
    bytes: 42_156_333,
    version_words: Some(&["--version"]),
    instead: "; use a MongoDB replica set of your own with --mongo URL",
};

pub(crate) const TANSU: Wheel = Wheel {
    name: "tansu",
    version: "0.6",
    file: "tansu",
    requirement: include_str!("../../parts/tansu.txt"),
    bytes: 14_607_287,
    version_words: Some(&["--version"]),
    instead: "; use --broker kafka, or --broker HOST:PORT for one of your own",
};

pub(crate) const CARGO_LAMBDA: Wheel = Wheel {
    name: "cargo-lambda",
    version: "1.9.2",
    file: "cargo-lambda",
    requirement: include_str!("../../parts/cargo-lambda.txt"),
    bytes: 14_372_648,
    version_words: Some(&["lambda", "--version"]),
    instead: "; `cargo dev up` runs the functions without it",
};

/// It prints no version: whatever it is told, it serves. It is linked statically, so it lacks no library.
pub(crate) const RIE: Wheel = Wheel {
    name: "AWS's Runtime Interface Emulator, of SAM CLI",
    version: "1.170.0",
    file: if cfg!(target_arch = "aarch64") { "aws-lambda-rie-arm64" } else { "aws-lambda-rie-x86_64" },
    requirement: include_str!("../../parts/rie.txt"),
    bytes: 8_326_603,
    version_words: None,
    instead: "; lambda-local and `cargo dev watch` invoke without it",
};

impl Wheel {
    pub(crate) fn program(&self, parts: &Path) -> PathBuf {
        self.directory(parts).join(self.file)
    }

    /// Named by the pin, so that a changed pin is another directory.
    fn directory(&self, parts: &Path) -> PathBuf {
        let pin = self.requirement.split("--hash=sha256:").nth(1).unwrap_or_default();
        parts.join(format!("{}-{}-{}", self.file, self.version, pin.get(..8).unwrap_or_default()))
    }

    pub(crate) fn fetch(&self, parts: &Path) -> Result<()> {
        let what = format!("{} {}", self.name, self.version);
        let step = Step::begin_bytes("parts", &what, self.bytes);
        let temp = download::begin(parts)?;
        let wheel = self.download(temp.path(), &step)?;
        step.doing(format!("{what}, unpacking"));
        let program = self.unpack(temp.path(), &wheel)?;
        self.try_out(&program)?;
        // Only the program is kept.
        let kept = temp.path().join("part");
        fs::create_dir(&kept)?;
        fs::rename(&program, kept.join(self.file))?;
        download::keep(&kept, &self.directory(parts))?;
        step.done(&what);
        Ok(())
    }

    fn download(&self, temp: &Path, step: &Step) -> Result<PathBuf> {
        let requirement = temp.join("requirement.txt");
        fs::write(&requirement, self.requirement)?;
        let scratch = temp.join("scratch");
        fs::create_dir(&scratch)?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]);
        pip.args(["--require-hashes", "--no-deps", "--only-binary=:all:", "--dest"]);
        pip.arg(temp).arg("--requirement").arg(&requirement).env("TMPDIR", &scratch);
        let hint = || format!("cannot fetch {} {} from PyPI{}", self.name, self.version, self.instead);
        download::run(&mut pip, temp, step).with_context(hint)?;
        let is_wheel = |path: &PathBuf| path.extension() == Some(OsStr::new("whl"));
        fs::read_dir(temp)?.flatten().map(|entry| entry.path()).find(is_wheel).context("pip left no wheel")
    }

    fn unpack(&self, temp: &Path, wheel: &Path) -> Result<PathBuf> {
        let target = temp.join("unpacked");
        let mut unzip = Command::new("python3");
        unzip.args(["-m", "zipfile", "--extract"]).arg(wheel).arg(&target);
        let output = unzip.output().context("cannot run python3")?;
        if !output.status.success() {
            bail!("cannot unpack {}: {}", wheel.display(), String::from_utf8_lossy(&output.stderr).trim());
        }
        let program = find(&target, self.file).with_context(|| format!("no {} in the wheel", self.file))?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok(program)
    }

    /// A program for another kind of machine, or one that lacks a library, is better noticed now.
    fn try_out(&self, program: &Path) -> Result<()> {
        let Some(words) = self.version_words else { return Ok(()) };
        let output = Command::new(program).args(words).output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                bail!("{} does not run here: {}{}", self.name, said.trim(), self.instead)
            }
            Err(error) => bail!("{} does not run here: {error}{}", self.name, self.instead),
        }
    }
}

fn find(dir: &Path, name: &str) -> Option<PathBuf> {
    fs::read_dir(dir)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .find_map(|path| if path.is_dir() { find(&path, name) } else { (path.file_name()? == name).then_some(path) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wheel_is_pinned_by_version_and_hash() {
        for wheel in [MONGOD, TANSU, CARGO_LAMBDA, RIE] {
            assert!(wheel.requirement.contains("=="), "{}", wheel.name);
            let directory = wheel.directory(Path::new("/parts"));
            let hash = directory.to_str().unwrap().rsplit_once('-').unwrap().1.to_owned();
            assert!(hash.len() == 8 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{}", directory.display());
        }
    }
}
