//! Ends a stack when its owner is gone, however that went.
//!
//! A small shell waits at a pipe whose other end only the tests hold. The pipe closes when a [`Guardian`] is dropped, and
//! also when the process of the tests panics, is interrupted or is killed with -9; then the shell runs `dev down`. So
//! there is one way a stack is ended, and every run of the tests takes it.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::wait_until;
use crate::workspace::root;

/// An orderly end: NGINX, an invocation of `settler` that may take its minute, Kafka, mongod.
const DOWN_WITHIN: Duration = Duration::from_secs(150);

/// What a killed test had stopped (`Paused`) must go on before it can end: the processes that stack.json names.
const WATCH: &str = r#"
read -r _
sed -n 's/.*"pid": *\([0-9][0-9]*\).*/\1/p' "$1/stack.json" | xargs -r kill -CONT
exec "$0" down --data "$1"
"#;

#[derive(Debug)]
pub(crate) struct Guardian {
    shell: Child,
}

impl Guardian {
    pub(crate) fn new(dev: &Path, data: &Path) -> Result<Self> {
        let said = File::create(data.join("down.log")).context("cannot write down.log")?;
        let mut shell = Command::new("sh");
        shell.args(["-c", WATCH]).arg(dev).arg(data);
        shell.current_dir(root()).stdin(Stdio::piped()).stdout(said.try_clone()?).stderr(said);
        // Ctrl-C reaches the tests; the guardian then acts on the pipe.
        shell.process_group(0);
        Ok(Self { shell: shell.spawn().context("cannot run sh")? })
    }

    /// Has the stack ended now and says how that went.
    pub(crate) fn end(&mut self) -> Result<()> {
        drop(self.shell.stdin.take());
        let status = wait_until("dev down ends", DOWN_WITHIN, || Ok(self.shell.try_wait()?))?;
        ensure!(status.success(), "dev down: {status}");
        Ok(())
    }
}
