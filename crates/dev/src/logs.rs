//! `cargo dev logs PART`: prints a log, and goes on printing it when asked to.

use crate::cli::DataArgs;
use crate::workspace::{StackDir, Workspace};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
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
    /// Begin with the last so many lines [default: all of it]
    #[arg(long, short = 'n', value_name = "N")]
    lines: Option<usize>,
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
    if let Some(lines) = args.lines {
        log.seek(SeekFrom::Start(start_of_last(&log, lines)?))?;
    }
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

/// Where the last so many lines begin.
fn start_of_last(log: &File, lines: usize) -> Result<u64> {
    let mut reader = BufReader::new(log);
    let (mut starts, mut at, mut line) = (VecDeque::new(), 0, Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)? as u64;
        if read == 0 {
            return Ok(starts.front().copied().unwrap_or(at));
        }
        starts.push_back(at);
        at += read;
        if starts.len() > lines {
            starts.pop_front();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_begin_where_they_do() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one\ntwo\nthree").unwrap();
        for (lines, start) in [(0, 13), (1, 8), (2, 4), (3, 0), (9, 0)] {
            file.rewind().unwrap();
            assert_eq!(start_of_last(&file, lines).unwrap(), start, "{lines}");
        }
    }
}
