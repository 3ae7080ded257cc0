//! How a part gets onto the disk: into a directory beside its final one, verified there, then renamed. A part is thus
//! complete or absent, whatever interrupts its download.

use crate::say::Step;
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const UNFINISHED: &str = ".fetching-";

/// A directory to fetch into; gone again unless it is kept.
pub(crate) fn begin(parts: &Path) -> Result<TempDir> {
    let dir = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(parts);
    dir.with_context(|| format!("cannot write to {}", parts.display()))
}

/// Makes what was fetched the part.
pub(crate) fn keep(fetched: &Path, part: &Path) -> Result<()> {
    fs::set_permissions(fetched, fs::Permissions::from_mode(0o755))?;
    fs::rename(fetched, part).with_context(|| format!("cannot make {}", part.display()))
}

/// Removes what earlier, interrupted downloads left. The caller holds the lock of the parts.
pub(crate) fn clear_unfinished(parts: &Path) -> Result<()> {
    for entry in fs::read_dir(parts).with_context(|| format!("cannot read {}", parts.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Runs a downloader and shows how many bytes have come into `seen`.
pub(crate) fn run(command: &mut Command, seen: &Path, step: &Step) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null());
    let (done, ended) = channel::<()>();
    let output = thread::scope(|scope| -> Result<Output> {
        scope.spawn(move || {
            while ended.recv_timeout(Duration::from_millis(200)) == Err(RecvTimeoutError::Timeout) {
                step.bytes(size_of(seen));
            }
        });
        let output = command.output().with_context(|| format!("cannot run {name}"));
        drop(done);
        output
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr.as_slice(), output.stdout.as_slice()].concat();
    bail!("{name} failed:\n{}", String::from_utf8_lossy(&said).trim())
}

/// Bytes of all files below; what vanishes meanwhile counts nothing.
fn size_of(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size_of(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_download_is_cleared_and_a_finished_one_kept() {
        let parts = tempfile::tempdir().unwrap();
        let fetched = begin(parts.path()).unwrap();
        fs::write(fetched.path().join("program"), "x").unwrap();
        assert_eq!(size_of(parts.path()), 1);
        keep(fetched.path(), &parts.path().join("part-1")).unwrap();
        fs::create_dir(parts.path().join(format!("{UNFINISHED}abc"))).unwrap();
        clear_unfinished(parts.path()).unwrap();
        let left: Vec<_> = fs::read_dir(parts.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["part-1"]);
    }

    #[test]
    fn a_downloader_that_fails_is_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let step = Step::begin("x", "y");
        let error = run(Command::new("sh").args(["-c", "echo no network >&2; exit 3"]), dir.path(), &step).unwrap_err();
        assert!(error.to_string().contains("no network"), "{error}");
    }
}
