//! A copy of the repository that a test may edit, with what is compiled of it.
//!
//! cargo tells what is up to date by times and by paths inside the repository, so a copy that keeps the times needs no
//! compiling: an edit in it costs what it costs a developer. What is compiled lies beside the copy, never in the target
//! directory of whoever runs the tests: there an edited function would pass for the one of the sources. Libraries, which
//! are replaced and never written to, are hard links; should cargo put them elsewhere one day, all is compiled anew.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::workspace::{root, target};

/// Of the repository, what is no source.
const LEFT_OUT: [&str; 3] = [".git", ".local", "target"];

#[derive(Debug)]
pub struct Sources {
    place: TempDir,
}

impl Sources {
    pub fn copy() -> Result<Self> {
        // Hard links take one file system.
        let beside = target().join("tmp");
        fs::create_dir_all(&beside).with_context(|| beside.display().to_string())?;
        let place = tempfile::Builder::new().prefix("watched-").tempdir_in(beside)?;
        let copy = Self { place };
        copy.take_sources()?;
        copy.take_compiled()?;
        Ok(copy)
    }

    fn take_sources(&self) -> Result<()> {
        let to = self.root();
        fs::create_dir_all(to.join(".local"))?;
        for entry in fs::read_dir(root())? {
            let entry = entry?;
            if !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                cp(&["-a"], &entry.path(), &to)?;
            }
        }
        // The pinned programs are the same.
        Ok(symlink(root().join(".local/parts"), to.join(".local/parts"))?)
    }

    fn take_compiled(&self) -> Result<()> {
        let (from, to) = (target().join("release"), self.target().join("release"));
        fs::create_dir_all(&to)?;
        cp(&["-a"], &from.join(".fingerprint"), &to)?;
        for folder in ["build", "deps"] {
            cp(&["-a", "--link"], &from.join(folder), &to)?;
        }
        // The one kind of file that rustc writes in place.
        for entry in fs::read_dir(to.join("deps"))? {
            let path = entry?.path();
            if path.extension() == Some(OsStr::new("d")) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn root(&self) -> PathBuf {
        self.place.path().join("passbook")
    }

    fn target(&self) -> PathBuf {
        self.place.path().join("target")
    }

    /// Has a `dev` work on the copy, and find out by itself that nothing of it needs compiling.
    pub(crate) fn name_in(&self, dev: &mut Command) {
        dev.env("PASSBOOK_ROOT", self.root()).env("CARGO_TARGET_DIR", self.target()).env_remove("PASSBOOK_NO_BUILD");
        // What .cargo/config.toml says, of the repository: build scripts are run again when this is another path.
        dev.env("C_INCLUDE_PATH", root().join(".cargo/include"));
    }

    /// Puts one text in the place of another, which must be there.
    pub fn edit(&self, file: &str, old: &str, new: &str) -> Result<()> {
        let path = self.root().join(file);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        ensure!(text.contains(old), "{file} no longer says {old:?}");
        fs::write(&path, text.replace(old, new)).with_context(|| path.display().to_string())
    }
}

fn cp(options: &[&str], from: &Path, into: &Path) -> Result<()> {
    let status = Command::new("cp").args(options).args([from, into]).status().context("cannot run cp")?;
    ensure!(status.success(), "cp {}: {status}", from.display());
    Ok(())
}
