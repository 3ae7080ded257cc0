//! Who may touch a directory. The kernel takes a lock back when its holder dies, however it dies.

use crate::say::Step;
use anyhow::{Context, Result};
use std::fs::{File, TryLockError};
use std::path::Path;

/// Held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// The lock, or nothing when another process holds it.
pub(crate) fn hold(path: &Path) -> Result<Option<Lock>> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock { _file: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

impl Lock {
    /// Waits for as long as another process holds it, and says what that one does.
    pub(crate) fn wait(path: &Path, name: &str, meanwhile: &str) -> Result<Self> {
        if let Some(lock) = hold(path)? {
            return Ok(lock);
        }
        let _step = Step::begin(name, meanwhile);
        let file = open(path)?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> Result<File> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_can_be_had_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/lock");
        let first = hold(&path).unwrap();
        assert!(first.is_some());
        assert!(hold(&path).unwrap().is_none());
        drop(first);
        assert!(hold(&path).unwrap().is_some());
    }
}
