//! Where a function's output and Lambda's own START, END and REPORT lines go: appended to a file, which costs this
//! process nothing for the function's lines, or to this process's standard output, each line prefixed, where writes never
//! block ([`standard_output`]).
//!
//! The end of an invocation's log (`X-Amz-Log-Type: Tail`) is read back from the file; on standard output the last lines of
//! each environment are kept for it. Which lines are an invocation's own is [`tail`]'s.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use crate::pool::EnvironmentId;

mod standard_output;
mod tail;

use standard_output::STANDARD_OUTPUT;
use tail::Recent;

/// How far back a file is searched for the lines of one invocation among those of others.
const SEARCHED: u64 = 1024 * 1024;
const LONGEST_LINE: u64 = 256 * 1024;
/// How long an orderly end waits for somebody to read standard output.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);

/// The log of one function.
#[derive(Debug)]
pub(crate) struct FunctionLog {
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    File { path: PathBuf, file: File },
    Output { prefix: String, recent: Mutex<HashMap<EnvironmentId, Recent>> },
}

impl FunctionLog {
    /// A log in `<directory>/<name>.log`, or on standard output without a directory.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) fn open(directory: Option<&Path>, name: &str) -> io::Result<Self> {
        let sink = match directory {
            Some(directory) => {
                let path = directory.join(format!("{name}.log"));
                let file = OpenOptions::new().create(true).append(true).open(&path)?;
                Sink::File { path, file }
            }
            None => Sink::Output { prefix: name.to_owned(), recent: Mutex::default() },
        };
        Ok(Self { sink })
    }

    /// The file, when there is one.
    #[must_use]
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.sink {
            Sink::File { path, .. } => Some(path),
            Sink::Output { .. } => None,
        }
    }

    /// What a process writes to: the file itself, or a pipe for [`FunctionLog::follow`].
    ///
    /// # Errors
    /// The file's handle cannot be cloned.
    pub(crate) fn stdio(&self) -> io::Result<Stdio> {
        match &self.sink {
            Sink::File { file, .. } => Ok(file.try_clone()?.into()),
            Sink::Output { .. } => Ok(Stdio::piped()),
        }
    }

    /// An environment begins to write.
    pub(crate) fn opened(&self, environment: EnvironmentId) {
        if let Sink::Output { recent, .. } = &self.sink {
            lock(recent).insert(environment, Recent::default());
        }
    }

    /// It has come to its end, and so have the requests it was at.
    pub(crate) fn closed(&self, environment: EnvironmentId) {
        if let Sink::Output { recent, .. } = &self.sink {
            lock(recent).remove(&environment);
        }
    }

    /// Whether it is known of each line which environment wrote it.
    pub(crate) fn is_by_environment(&self) -> bool {
        matches!(self.sink, Sink::Output { .. })
    }

    /// Adds lines, of an environment or of Lambda about it. A log that cannot be written does not stop a function.
    pub(crate) fn write(&self, environment: EnvironmentId, lines: &str) {
        match &self.sink {
            Sink::File { file, .. } => drop((&mut &*file).write_all(lines.as_bytes())),
            Sink::Output { prefix, recent } => {
                let mut recent = lock(recent);
                let mut recent = recent.get_mut(&environment);
                for line in lines.lines() {
                    STANDARD_OUTPUT.write_line(prefix, line);
                    recent.iter_mut().for_each(|recent| recent.push(line));
                }
            }
        }
    }

    /// Waits a moment for the last lines to be out.
    pub(crate) async fn flush(&self) {
        if let Sink::Output { .. } = &self.sink {
            // A thread that cannot be had is a line that may be missing.
            let _ = tokio::task::spawn_blocking(|| STANDARD_OUTPUT.flush(LAST_LINES_WITHIN)).await;
        }
    }

    /// Copies a process's piped output, line by line, until it ends. Bytes that are not UTF-8 are replaced, and a line
    /// longer than [`LONGEST_LINE`] is cut in two: whatever a function prints, somebody goes on reading it.
    pub(crate) async fn follow(&self, environment: EnvironmentId, output: impl AsyncRead + Unpin) {
        let mut reader = BufReader::new(output);
        let mut line = vec![];
        while let Ok(1..) = (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
            self.write(environment, &String::from_utf8_lossy(&line));
            line.clear();
        }
    }

    /// Where the log of an environment ends now: the start of an invocation's share of it.
    #[must_use]
    pub(crate) fn position(&self, environment: EnvironmentId) -> u64 {
        match &self.sink {
            Sink::File { file, .. } => file.metadata().map_or(0, |metadata| metadata.len()),
            Sink::Output { recent, .. } => lock(recent).get(&environment).map_or(0, Recent::end),
        }
    }

    /// The end of what was written since a position; with `only`, of the lines with these words in them.
    #[must_use]
    pub(crate) fn tail(&self, environment: EnvironmentId, since: u64, only: Option<&str>) -> Vec<u8> {
        match &self.sink {
            Sink::File { path, .. } => {
                let text = read_since(path, since).unwrap_or_default();
                tail::of(String::from_utf8_lossy(&text).lines(), only)
            }
            Sink::Output { recent, .. } => {
                let recent = lock(recent);
                tail::of(recent.get(&environment).into_iter().flat_map(|recent| recent.since(since)), only)
            }
        }
    }
}

/// What a file holds since a position, from the beginning of a line on and within what is searched.
fn read_since(path: &Path, since: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let searched = file.metadata()?.len().saturating_sub(SEARCHED);
    file.seek(SeekFrom::Start(since.max(searched)))?;
    let mut text = vec![];
    file.take(SEARCHED).read_to_end(&mut text)?;
    if searched > since {
        let line = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1);
        text.drain(..line);
    }
    Ok(text)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
