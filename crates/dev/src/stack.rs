//! What a stack writes about itself: `stack.json`, for `status`, `down`, `logs`, and for the next `up`, which wants the
//! same ports and must find what a killed supervisor left behind.
//!
//! The supervisor is its only writer, and holds the lock beside it as long as it lives. The file is replaced whole, so a
//! reader never sees half of it. Processes it names are of one boot of the machine: after another, none of them is left
//! and their numbers are somebody else's.

mod lock;

pub(crate) use lock::{Lock, hold};

use crate::process::{self, Identity};
use crate::workspace::StackDir;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StackFile {
    pub(crate) url: String,
    /// Every part answers, a first deposit has been settled, and so is every partition.
    pub(crate) ready: bool,
    /// The partitions of the log that were not settled any further when the stack came up.
    #[serde(default)]
    pub(crate) stuck: Vec<u16>,
    pub(crate) supervisor: Option<Identity>,
    /// What the stack was told to run on; empty addresses before it knows them.
    pub(crate) brokers: String,
    pub(crate) mongo: String,
    /// By the name of what listens there.
    pub(crate) ports: BTreeMap<String, u16>,
    /// In the order they were started.
    pub(crate) parts: Vec<PartRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    pub(crate) name: String,
    /// The leader of the part's process group; nobody while the part waits to be started again, or runs elsewhere.
    pub(crate) process: Option<Identity>,
    pub(crate) address: String,
    pub(crate) log: Option<String>,
}

/// The file as it lies on the disk.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(default = "process::boot")]
    boot: String,
    #[serde(flatten)]
    file: StackFile,
}

impl StackFile {
    /// What the stack last wrote; nothing when there never was one.
    pub(crate) fn read(dir: &StackDir) -> Result<Option<Self>> {
        let path = dir.stack_file();
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let hint = || format!("{} is damaged; `cargo dev up --fresh` begins anew", path.display());
        let Written { boot, file } = serde_json::from_str(&text).with_context(hint)?;
        Ok(Some(if boot == process::boot() { file } else { file.without_processes() }))
    }

    fn without_processes(mut self) -> Self {
        (self.ready, self.supervisor) = (false, None);
        self.parts.iter_mut().for_each(|part| part.process = None);
        self
    }

    pub(crate) fn write(&self, dir: &StackDir) -> Result<()> {
        let path = dir.stack_file();
        let mut file = tempfile::NamedTempFile::new_in(dir.root())?;
        let written = Written { boot: process::boot(), file: self.clone() };
        file.write_all(serde_json::to_string_pretty(&written)?.as_bytes())?;
        file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(())
    }

    /// Whether it has come up; it is not ready when a partition is stuck.
    pub(crate) fn is_up(&self) -> bool {
        self.ready || !self.stuck.is_empty()
    }

    pub(crate) fn supervisor_alive(&self) -> Option<Identity> {
        self.supervisor.filter(|supervisor| supervisor.is_alive())
    }

    pub(crate) fn part(&self, name: &str) -> Option<&PartRecord> {
        self.parts.iter().find(|part| part.name == name)
    }

    pub(crate) fn part_mut(&mut self, name: &str) -> Option<&mut PartRecord> {
        self.parts.iter_mut().find(|part| part.name == name)
    }
}

/// The stack that runs in this directory, for the commands that need one.
pub(crate) fn running(dir: &StackDir) -> Result<StackFile> {
    let found = StackFile::read(dir)?.filter(|file| file.supervisor_alive().is_some());
    found.with_context(|| format!("no stack runs in {}; start one with `cargo dev up`", dir.root().display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let stack = StackDir::at(dir.path().to_owned());
        assert_eq!(StackFile::read(&stack).unwrap(), None);
        let part = PartRecord { name: "mongod".into(), process: None, address: "a".into(), log: None };
        let file = StackFile { url: "http://localhost:1".into(), parts: vec![part], ..StackFile::default() };
        file.write(&stack).unwrap();
        assert_eq!(StackFile::read(&stack).unwrap(), Some(file));
    }

    #[test]
    fn processes_of_another_boot_are_nobodys() {
        let dir = tempfile::tempdir().unwrap();
        let stack = StackDir::at(dir.path().to_owned());
        let me = Identity::of_this_process();
        let part = PartRecord { name: "mongod".into(), process: me, address: "a".into(), log: None };
        let ports = [("mongod".to_owned(), 1)].into();
        StackFile { ready: true, supervisor: me, ports, parts: vec![part], ..StackFile::default() }
            .write(&stack)
            .unwrap();
        let text = fs::read_to_string(stack.stack_file()).unwrap();
        fs::write(stack.stack_file(), text.replace(&process::boot(), "another")).unwrap();
        let file = StackFile::read(&stack).unwrap().unwrap();
        assert_eq!((file.ready, file.supervisor, file.parts[0].process), (false, None, None));
        assert_eq!(file.ports["mongod"], 1);
    }

    #[test]
    fn a_damaged_file_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let stack = StackDir::at(dir.path().to_owned());
        fs::write(stack.stack_file(), "{").unwrap();
        assert!(StackFile::read(&stack).unwrap_err().to_string().contains("--fresh"));
    }
}
