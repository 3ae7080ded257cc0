//! A reader at work: a directory that looks like the repository, a stack in its `.local/stack`, and shells in which blocks
//! are typed.

use crate::compare;
use crate::prepare::build;
use crate::process::signal_group;
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What the stack of a page runs as unless the page says otherwise.
const PLAIN: &str = "cargo dev up";
/// Seconds, after which a block that still goes on has failed.
const LONGEST: &str = "180";
/// How long what a page has put into the background may take before it answers the next block.
const BACKGROUND_IS_READY_WITHIN: Duration = Duration::from_secs(15);
/// Of the repository, what the reader's directory has of its own.
const NOT_LINKED: [&str; 3] = [".git", ".local", "target"];
/// Where a command ends whose words are looked at.
const NEXT_COMMAND: [&str; 4] = [" | ", " > ", " && ", "; "];

pub(super) struct Session<'a> {
    bench: &'a mut Workbench,
    place: PathBuf,
    port: u16,
    tls_port: u16,
    /// The command the stack was started by; nothing while none runs.
    stack: Option<String>,
    background: Vec<Child>,
}

/// What one block printed.
struct Printed {
    good: bool,
    out: String,
    err: String,
}

impl<'a> Session<'a> {
    pub(super) fn begin(workspace: &Workspace, bench: &'a mut Workbench) -> Result<Self> {
        let place = bench.place().join("docs");
        make_place(workspace, &place).with_context(|| format!("cannot make {}", place.display()))?;
        let (port, tls_port) = (bench.free_port()?, bench.free_port()?);
        Ok(Self { bench, place, port, tls_port, stack: None, background: Vec::new() })
    }

    /// Every page begins with a terminal that was told nothing, and a stack as `cargo dev up` makes it.
    pub(super) fn turn_to_page(&mut self) -> Result<()> {
        self.end_background()?;
        fs::write(self.exported(), "")?;
        if self.stack.as_deref().is_some_and(|command| command != PLAIN) { self.down() } else { Ok(()) }
    }

    /// Why it failed, if it did.
    pub(super) fn run(&mut self, text: &str, shown: Option<&str>) -> Result<Option<String>> {
        self.bench.check()?;
        if let Some(command) = up(text)? {
            return self.up(command);
        }
        if self.stack.is_none()
            && let Some(why) = self.up(PLAIN)?
        {
            return Ok(Some(why));
        }
        let deadline = Instant::now() + BACKGROUND_IS_READY_WITHIN;
        let mut printed = self.type_in(text)?;
        while !printed.good && !self.background.is_empty() && Instant::now() < deadline {
            self.bench.pause(Duration::from_millis(500))?;
            printed = self.type_in(text)?;
        }
        let as_shown = shown.is_none_or(|shown| compare::matches(shown, &printed.out));
        Ok((!printed.good || !as_shown).then(|| format!("  printed:\n{}{}", printed.out, printed.err)))
    }

    pub(super) fn run_in_background(&mut self, text: &str) -> Result<Option<String>> {
        let mut shell = self.shell(text);
        let output = File::create(self.place.join("background.log"))?;
        let mut child = self.bench.spawn(shell.stderr(output.try_clone()?).stdout(output))?;
        thread::sleep(Duration::from_millis(500));
        if let Some(status) = child.try_wait()? {
            return Ok(Some(format!("  it has ended already: {status}")));
        }
        self.background.push(child);
        Ok(None)
    }

    /// Whether a shell could read it, and whether its programs know the words.
    pub(super) fn read(&mut self, text: &str) -> Result<Option<String>> {
        let mut syntax = Command::new("bash");
        let output = syntax.args(["-n", "-c", text]).output().context("cannot run bash")?;
        if !output.status.success() {
            return Ok(Some(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        for command in commands_of_ours(text) {
            let printed = self.type_in(&format!("{command} --help"))?;
            if !printed.good {
                return Ok(Some(format!("  {command}\n{}", printed.err)));
            }
        }
        Ok(None)
    }

    pub(super) fn end(mut self) -> Result<()> {
        self.end_background()?;
        if self.stack.is_some() { self.down() } else { Ok(()) }
    }

    /// Starts the stack as the page says; not again when it runs like that.
    fn up(&mut self, command: &str) -> Result<Option<String>> {
        if self.stack.as_deref() == Some(command) {
            return Ok(None);
        }
        if self.stack.is_some() {
            self.down()?;
        }
        let command_here = command.replace("--tls", &format!("--tls {}", self.tls_port));
        self.stack = Some(command.to_owned());
        let printed = self.type_in(&format!("{command_here} --detach --port {}", self.port))?;
        Ok((!printed.good).then(|| format!("{}{}", printed.out, printed.err)))
    }

    fn down(&mut self) -> Result<()> {
        self.stack = None;
        // Whatever came in between, a Ctrl-C too; this is not interrupted.
        let status = self.bench.spawn(&mut self.shell("cargo dev down > down.log 2>&1"))?.wait()?;
        ensure!(status.success(), "`cargo dev down` failed; see {}", self.place.join("down.log").display());
        Ok(())
    }

    fn end_background(&mut self) -> Result<()> {
        for mut child in self.background.drain(..) {
            signal_group(child.id(), Signal::SIGTERM);
            child.wait()?;
        }
        Ok(())
    }

    fn type_in(&mut self, text: &str) -> Result<Printed> {
        let (out, err) = (self.place.join("out.log"), self.place.join("err.log"));
        let mut shell = self.shell(&format!("{}\nexport -p > '{}'", text.trim_end(), self.exported().display()));
        let mut child = self.bench.spawn(shell.stdout(File::create(&out)?).stderr(File::create(&err)?))?;
        let status = self.bench.await_child(&mut child)?;
        Ok(Printed { good: status.success(), out: read(&out)?, err: read(&err)? })
    }

    /// A terminal of the reader's, who has typed what earlier blocks of the page export.
    fn shell(&self, text: &str) -> Command {
        let text = text
            .replace("localhost:8080", &format!("localhost:{}", self.port))
            .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", self.port))
            .replace("localhost:8443", &format!("localhost:{}", self.tls_port));
        let script = format!("set -eo pipefail\n. '{}'\n{text}", self.exported().display());
        let mut shell = Command::new("timeout");
        shell.args(["--kill-after=5", LONGEST, "bash", "-c", &script]);
        shell.current_dir(&self.place).stdin(Stdio::null());
        shell.env("PATH", self.path()).env("PASSBOOK_DATA", self.place.join(".local/stack"));
        shell.env("PASSBOOK_NO_BUILD", "1");
        shell
    }

    /// Before all others, a cargo whose `dev` is this program.
    fn path(&self) -> OsString {
        let mut path = self.place.join("bin").into_os_string();
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        path
    }

    /// What the blocks of this page have exported so far.
    fn exported(&self) -> PathBuf {
        self.place.join("exported.sh")
    }
}

fn read(file: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(file)?).into_owned())
}

/// The repository by links, with a `.local` of its own.
fn make_place(workspace: &Workspace, place: &Path) -> Result<()> {
    fs::create_dir_all(place.join(".local"))?;
    for entry in fs::read_dir(workspace.root())? {
        let entry = entry?;
        if !NOT_LINKED.iter().any(|name| entry.file_name() == *name) {
            symlink(entry.path(), place.join(entry.file_name()))?;
        }
    }
    symlink(workspace.target(), place.join("target"))?;
    symlink(workspace.local().join("parts"), place.join(".local/parts"))?;
    fs::create_dir(place.join("bin"))?;
    let dev = env::current_exe().context("cannot find this program")?;
    let cargo = build::cargo(workspace).get_program().to_owned();
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = dev ]; then shift; exec '{}' \"$@\"; fi\nexec '{}' \"$@\"\n",
        dev.display(),
        cargo.display()
    );
    let shim = place.join("bin/cargo");
    fs::write(&shim, script)?;
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755))?;
    fs::write(place.join("exported.sh"), "").map_err(Into::into)
}

/// The command of a block that starts a stack, which goes on until it is stopped.
fn up(text: &str) -> Result<Option<&str>> {
    let is_one = |line: &&str| ["cargo dev up", "cargo dev watch"].iter().any(|start| line.starts_with(start));
    match text.trim().lines().collect::<Vec<_>>()[..] {
        [line] if is_one(&line) => Ok(Some(line)),
        [..] if text.lines().any(|line| is_one(&line)) => {
            bail!("what goes on until it is stopped has a block of its own")
        }
        [..] => Ok(None),
    }
}

/// The commands that programs of this repository are asked to do.
fn commands_of_ours(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let ours = |line: &&str| line.starts_with("cargo dev ") || line.starts_with("target/release/");
    let first = |line: &str| {
        let end = NEXT_COMMAND.iter().filter_map(|next| line.find(next)).min().unwrap_or(line.len());
        line[..end].to_owned()
    };
    joined.lines().map(str::trim).filter(ours).map(first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_starts_a_stack_stands_alone() {
        assert_eq!(up("cargo dev up --tls\n").unwrap(), Some("cargo dev up --tls"));
        assert_eq!(up("cargo dev status\ncurl x\n").unwrap(), None);
        assert!(up("cargo dev watch\ncurl x\n").is_err());
    }

    #[test]
    fn commands_of_ours_are_found_up_to_the_next() {
        let text =
            "cargo dev logs \\\n  api | head\ndocker compose up\ntarget/release/passbook lag --json > lag.json\n";
        assert_eq!(commands_of_ours(text), ["cargo dev logs    api", "target/release/passbook lag --json"]);
    }
}
