//! A reader at work: a directory that looks like the repository, a stack in its `.local/stack`, and shells in which blocks
//! are typed.

use crate::compare;
use crate::prepare::{build, machine};
use crate::process::signal_group;
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What the stack of a page runs as unless the page says otherwise.
const PLAIN: &str = "cargo dev up";
/// Where pages say that NGINX listens.
const NGINX: &str = ":8080";
const NGINX_TLS: &str = ":8443";
/// Seconds, after which a block that still goes on has failed.
const LONGEST: &str = "180";
/// How long what a page has put into the background may take before it answers the next block.
const BACKGROUND_IS_READY_WITHIN: Duration = Duration::from_secs(15);
/// What a reader's terminal does not know until a page says so.
const NOT_TOLD: [&str; 6] = [
    "KAFKA_BOOTSTRAP_SERVERS",
    "MSK_CLUSTER_ARN",
    "MONGODB_URI",
    "MONGODB_DATABASE",
    "AWS_ENDPOINT_URL_LAMBDA",
    "PASSBOOK_URL",
];
/// Of a load's report, what says that not all went well.
const FAILURES: [&str; 3] = ["Non-2xx responses:", "Non-2xx or 3xx responses:", "Socket errors:"];
/// Commands whose last words are another program's.
const PASSES_ON: [&str; 2] = ["cargo dev test ", "cargo dev bench settle "];
/// Where a command ends whose words are looked at.
const NEXT_COMMAND: [&str; 4] = [" | ", " > ", " && ", "; "];

pub(super) struct Session<'a> {
    bench: &'a mut Workbench,
    place: PathBuf,
    target: PathBuf,
    /// The ports that the pages name, and those that are free.
    ports: BTreeMap<&'static str, u16>,
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
        let named = [NGINX, NGINX_TLS, ":9010", ":9011"];
        let ports = named.into_iter().map(|named| Ok((named, bench.free_port()?))).collect::<Result<_>>()?;
        let target = workspace.target().to_owned();
        Ok(Self { bench, place, target, ports, stack: None, background: Vec::new() })
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
        match up(text) {
            Up::Alone(command) => return self.up(command),
            Up::Among => return Ok(Some("  what goes on until it is stopped has a block of its own".to_owned())),
            Up::No => {}
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
        let all_well = all_requests_went_well(&printed.out);
        Ok((!printed.good || !as_shown || !all_well).then(|| format!("  printed:\n{}{}", printed.out, printed.err)))
    }

    pub(super) fn run_in_background(&mut self, text: &str) -> Result<Option<String>> {
        self.bench.check()?;
        let mut shell = self.shell(text);
        let output = File::create(self.place.join("background.log"))?;
        let mut child = self.bench.spawn(shell.stderr(output.try_clone()?).stdout(output))?;
        // What is wrong with its words shows at once; that it answers, by the next block.
        self.bench.pause(Duration::from_millis(500))?;
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
        let words = command.split(' ').map(|word| match word {
            "--tls" => format!("--tls {}", self.ports[NGINX_TLS]),
            word => word.to_owned(),
        });
        let command_here = words.collect::<Vec<_>>().join(" ");
        self.stack = Some(command.to_owned());
        let printed = self.type_in(&format!("{command_here} --detach --port {}", self.ports[NGINX]))?;
        if printed.good {
            return Ok(None);
        }
        self.down()?;
        Ok(Some(format!("{}{}", printed.out, printed.err)))
    }

    fn down(&mut self) -> Result<()> {
        self.stack = None;
        // Whatever came in between, a Ctrl-C too; this is not interrupted.
        let mut down = self.terminal("bash");
        down.args(["-c", "cargo dev down > down.log 2>&1"]);
        let status = self.bench.spawn(&mut down)?.wait()?;
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
        let status = self.bench.await_one(&mut child)?;
        Ok(Printed { good: status.success(), out: read(&out)?, err: read(&err)? })
    }

    /// A shell of the reader's, who has typed what earlier blocks of the page export.
    fn shell(&self, text: &str) -> Command {
        let text =
            self.ports.iter().fold(text.to_owned(), |text, (named, port)| text.replace(named, &format!(":{port}")));
        let script = format!("set -eo pipefail\n. '{}'\n{text}", self.exported().display());
        let mut shell = self.terminal("timeout");
        shell.args(["--kill-after=5", LONGEST, "bash", "-c", &script]);
        shell
    }

    fn terminal(&self, program: &str) -> Command {
        let mut terminal = Command::new(program);
        terminal.current_dir(&self.place).stdin(Stdio::null());
        for name in NOT_TOLD {
            terminal.env_remove(name);
        }
        terminal.env("PATH", self.path()).env("PASSBOOK_DATA", self.place.join(".local/stack"));
        terminal.env("PASSBOOK_NO_BUILD", "1").env(build::TARGET, &self.target);
        terminal
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
    for name in tracked(workspace)? {
        symlink(workspace.file(&name), place.join(&name))?;
    }
    symlink(workspace.target(), place.join("target"))?;
    symlink(workspace.local().join("parts"), place.join(".local/parts"))?;
    fs::create_dir(place.join("bin"))?;
    let dev = env::current_exe().context("cannot find this program")?;
    let cargo = env::var_os("CARGO").map_or_else(|| machine::program("cargo"), |cargo| Ok(PathBuf::from(cargo)))?;
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

/// What lies at the top of the repository and belongs to it: the reader of an earlier page has left other things there.
fn tracked(workspace: &Workspace) -> Result<BTreeSet<String>> {
    let mut git = Command::new("git");
    let output = git
        .args(["-c", "safe.directory=*", "ls-files", "--cached", "-z"])
        .current_dir(workspace.root())
        .output()
        .context("cannot run git")?;
    ensure!(output.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    let files = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(files
        .split('\0')
        .filter_map(|file| file.split('/').next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect())
}

/// What a block says of a stack.
#[derive(Debug, PartialEq, Eq)]
enum Up<'t> {
    No,
    /// The command that starts one, which goes on until it is stopped.
    Alone(&'t str),
    /// Nobody gets to what follows it.
    Among,
}

fn up(text: &str) -> Up<'_> {
    let is_one = |line: &&str| ["cargo dev up", "cargo dev watch"].iter().any(|start| line.starts_with(start));
    match text.trim().lines().collect::<Vec<_>>()[..] {
        [line] if is_one(&line) => Up::Alone(line),
        [..] if text.lines().any(|line| is_one(&line)) => Up::Among,
        [..] => Up::No,
    }
}

/// What ApacheBench and wrk print when it is not so, with exit code 0.
fn all_requests_went_well(printed: &str) -> bool {
    let failed = |line: &str| line.strip_prefix("Failed requests:").is_some_and(|number| number.trim() != "0");
    !printed.lines().map(str::trim).any(|line| failed(line) || FAILURES.iter().any(|word| line.starts_with(word)))
}

/// The commands that programs of this repository are asked to do, but for those that pass words on to another program, a
/// `--help` too.
fn commands_of_ours(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let ours = |line: &&str| line.starts_with("cargo dev ") || line.starts_with("target/release/");
    let first = |line: &str| {
        let end = NEXT_COMMAND.iter().filter_map(|next| line.find(next)).min().unwrap_or(line.len());
        line[..end].to_owned()
    };
    let passes_on = |line: &String| PASSES_ON.iter().any(|start| line.starts_with(start));
    joined.lines().map(str::trim).filter(ours).map(first).filter(|line| !passes_on(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_starts_a_stack_stands_alone() {
        assert_eq!(up("cargo dev up --tls\n"), Up::Alone("cargo dev up --tls"));
        assert_eq!(up("cargo dev status\ncurl x\n"), Up::No);
        assert_eq!(up("cargo dev watch\ncurl x\n"), Up::Among);
    }

    #[test]
    fn a_load_that_failed_is_seen() {
        for (printed, well) in [
            ("Complete requests:      10\nFailed requests:        0\n", true),
            ("Failed requests:        3\n", false),
            ("Failed requests:        0\nNon-2xx responses:      7\n", false),
            ("  Non-2xx or 3xx responses: 12\n", false),
            ("  Socket errors: connect 0, read 3, write 0, timeout 0\n", false),
        ] {
            assert_eq!(all_requests_went_well(printed), well, "{printed}");
        }
    }

    #[test]
    fn commands_of_ours_are_found_up_to_the_next() {
        let text = "cargo dev logs \\\n  api | head\ndocker compose up\ncargo dev test -p settler\n\
                    target/release/passbook lag --json > lag.json\n";
        assert_eq!(commands_of_ours(text), ["cargo dev logs    api", "target/release/passbook lag --json"]);
    }
}
