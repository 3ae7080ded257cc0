//! A stack of the benchmark's own: `cargo dev up` of this checkout, or of another.

use crate::checkout::dev;
use crate::stack::{self, StackFile};
use crate::workbench::Workbench;
use crate::workspace::{StackDir, Workspace};
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};

pub(super) struct OwnStack {
    checkout: PathBuf,
    dir: StackDir,
}

impl OwnStack {
    /// Not started yet; its data will be in the workbench under this name.
    pub(super) fn of(checkout: &Path, name: &str, bench: &Workbench) -> Self {
        Self { checkout: checkout.to_owned(), dir: StackDir::at(bench.place().join(name)) }
    }

    fn data(&self) -> String {
        self.dir.root().display().to_string()
    }

    /// Another checkout builds its programs first.
    pub(super) fn up(&self, workspace: &Workspace, bench: &mut Workbench) -> Result<()> {
        let data = self.data();
        let mut words = vec!["up", "--detach", "--port", "0", "--data", &data];
        if self.checkout == workspace.root() {
            words.push("--no-build");
        }
        let mut up = bench.spawn(&mut dev(workspace, &self.checkout, &words))?;
        ensure!(bench.await_child(&mut up)?.success(), "`cargo dev up` failed in {}", self.checkout.display());
        Ok(())
    }

    pub(super) fn file(&self) -> Result<StackFile> {
        stack::running(&self.dir)
    }

    /// Also where it did not come up.
    pub(super) fn down(&self, workspace: &Workspace, bench: &Workbench) -> Result<()> {
        let ended = bench.spawn(&mut dev(workspace, &self.checkout, &["down", "--data", &self.data()]))?.wait()?;
        ensure!(ended.success(), "`cargo dev down` failed in {}", self.checkout.display());
        Ok(())
    }
}
