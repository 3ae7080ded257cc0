//! `cargo dev logs PART`: prints a log, and goes on printing it when asked to.

use crate::cli::DataArgs;
use crate::workspace::{StackDir, Workspace};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// nginx, access (NGINX's access log), lambda-local, api, settler, mongod, kafka or tansu, up (of a detached stack);
    /// of `watch`: gateway, poller, and cargo-lambda, which has what both functions say
    part: String,
    /// Go on as the log grows, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    stack: DataArgs,
}

pub(crate) fn run(workspace: &Workspace, args: &LogsArgs) -> Result<ExitCode> {
    let dir = workspace.stack_dir(args.stack.data.as_deref())?;
    // An environment's log is its function's: `api/1` is in api.log.
    let name = args.part.split('/').next().unwrap_or_default();
    let path = dir.log(name);
    if !path.exists() {
        bail!("{name} has no log in {}; there is {}", dir.logs().display(), known(&dir));
    }
    let mut log = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    loop {
        // A reader that closes its end (`| head`) wants no more.
        if io::copy(&mut log, &mut io::stdout()).and_then(|_| io::stdout().flush()).is_err() || !args.follow {
            return Ok(ExitCode::SUCCESS);
        }
        thread::sleep(LOOK_EVERY);
        if let Some(newer) = replaced(&path, &log) {
            log = newer;
        }
    }
}

/// The next start of the stack puts the log aside and begins another one.
fn replaced(path: &Path, log: &File) -> Option<File> {
    let (now, open) = (fs::metadata(path).ok()?, log.metadata().ok()?);
    if now.ino() == open.ino() { None } else { File::open(path).ok() }
}

fn known(dir: &StackDir) -> String {
    let Ok(entries) = fs::read_dir(dir.logs()) else { return "none yet".to_owned() };
    let name = |entry: fs::DirEntry| Some(entry.file_name().to_str()?.strip_suffix(".log")?.to_owned());
    let mut names: Vec<String> = entries.flatten().filter_map(name).collect();
    names.sort();
    if names.is_empty() { "none yet".to_owned() } else { names.join(", ") }
}
