//! Where a function's output and Lambda's own START, END and REPORT lines go: appended to a file, which costs this
//! process nothing for the function's lines, or to this process's standard output, each line prefixed, for which nobody
//! waits ([`standard_output`]).
//!
//! The end of an invocation's log (`X-Amz-Log-Type: Tail`) is read back from the file; on standard output the last
//! 4 KB of all invocations are kept for it.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

mod standard_output;

use standard_output::STANDARD_OUTPUT;

/// What `X-Amz-Log-Result` holds at most.
const TAIL: usize = 4 * 1024;
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
    Output { prefix: String, tail: Mutex<VecDeque<u8>> },
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
            None => Sink::Output { prefix: name.to_owned(), tail: Mutex::default() },
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

    /// Adds lines of Lambda's own. A log that cannot be written does not stop a function.
    pub(crate) fn write(&self, lines: &str) {
        match &self.sink {
            Sink::File { file, .. } => drop((&mut &*file).write_all(lines.as_bytes())),
            Sink::Output { prefix, tail } => {
                for line in lines.lines() {
                    STANDARD_OUTPUT.write_line(prefix, line);
                    remember(tail, line);
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
    pub(crate) async fn follow(&self, output: impl AsyncRead + Unpin) {
        let mut reader = BufReader::new(output);
        let mut line = vec![];
        while let Ok(1..) = (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
            self.write(&String::from_utf8_lossy(&line));
            line.clear();
        }
    }

    /// Where the log ends now: the start of an invocation's share of it.
    #[must_use]
    pub(crate) fn position(&self) -> u64 {
        match &self.sink {
            Sink::File { file, .. } => file.metadata().map_or(0, |metadata| metadata.len()),
            Sink::Output { .. } => 0,
        }
    }

    /// The last 4 KB written since a position.
    #[must_use]
    pub(crate) fn tail_since(&self, position: u64) -> Vec<u8> {
        match &self.sink {
            Sink::File { path, .. } => read_tail(path, position).unwrap_or_default(),
            Sink::Output { tail, .. } => lock(tail).iter().copied().collect(),
        }
    }
}

fn read_tail(path: &Path, position: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(position.max(length.saturating_sub(TAIL as u64))))?;
    let mut tail = vec![];
    file.take(TAIL as u64).read_to_end(&mut tail)?;
    Ok(tail)
}

fn remember(tail: &Mutex<VecDeque<u8>>, line: &str) {
    let mut tail = lock(tail);
    tail.extend(line.bytes().chain([b'\n']));
    let surplus = tail.len().saturating_sub(TAIL);
    tail.drain(..surplus);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
