//! Standard output behind a buffer: whoever writes never waits, though nobody may be reading (`| less`), since a thread of
//! its own does. What does not fit into the buffer is dropped line by line and counted, and the count stands in its place.
//!
//! Bounds: [`ROOM`] bytes wait, and as many are being written.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that wait to be written.
const ROOM: usize = 4 * 1024 * 1024;

/// This process's own: there is one, as there is one standard output.
pub(crate) static STANDARD_OUTPUT: LazyLock<Output> = LazyLock::new(|| {
    // Not `io::Stdout`: a thread that is stuck in it would keep its lock.
    match io::stdout().as_fd().try_clone_to_owned() {
        Ok(descriptor) => Output::to(File::from(descriptor)),
        Err(_) => Output::to(io::sink()),
    }
});

/// Something that is written to by a thread.
#[derive(Debug)]
pub(crate) struct Output(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    buffer: Mutex<Buffer>,
    /// There is something to write, or everything is written.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Buffer {
    waiting: Vec<u8>,
    dropped: u64,
    is_writing: bool,
}

impl Output {
    fn to(target: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("standard output".to_owned());
        if let Err(error) = thread.spawn(move || writer.write_all(target)) {
            tracing::warn!(%error, "the functions' output is not shown: cannot start a thread");
        }
        Self(shared)
    }

    /// Adds a line, or counts it when there is no room.
    pub(crate) fn write_line(&self, prefix: &str, line: &str) {
        let mut buffer = self.0.lock();
        if buffer.waiting.len() + prefix.len() + line.len() > ROOM {
            buffer.dropped += 1;
            return;
        }
        if buffer.dropped > 0 {
            let dropped = std::mem::take(&mut buffer.dropped);
            add_line(&mut buffer.waiting, "lambda-local", &format!("{dropped} lines were dropped: nobody read them"));
        }
        add_line(&mut buffer.waiting, prefix, line);
        self.0.changed.notify_all();
    }

    /// Waits, no longer than `patience`, until everything is written.
    pub(crate) fn flush(&self, patience: Duration) {
        let is_under_way = |buffer: &mut Buffer| !buffer.waiting.is_empty() || buffer.is_writing;
        let flushed = self.0.changed.wait_timeout_while(self.0.lock(), patience, is_under_way);
        drop(flushed);
    }
}

fn add_line(buffer: &mut Vec<u8>, prefix: &str, line: &str) {
    // Writing to memory does not fail.
    let _ = writeln!(buffer, "{prefix} | {line}");
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut target: impl Write) {
        loop {
            let lines = self.next();
            // A reader that has gone does not stop a function.
            let _ = target.write_all(&lines);
        }
    }

    /// What is to be written next; whoever asks is done with what there was before.
    fn next(&self) -> Vec<u8> {
        let mut buffer = self.lock();
        buffer.is_writing = false;
        self.changed.notify_all();
        let is_empty = |buffer: &mut Buffer| buffer.waiting.is_empty();
        let mut buffer = self.changed.wait_while(buffer, is_empty).unwrap_or_else(PoisonError::into_inner);
        buffer.is_writing = true;
        std::mem::take(&mut buffer.waiting)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Hands each piece to the test, and is stuck until the test lets it go on.
    struct Slow {
        written: mpsc::Sender<String>,
        go_on: mpsc::Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.send(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
            self.go_on.recv().map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_and_what_it_missed_is_counted() {
        let ((written, pieces), (more, go_on)) = (mpsc::channel(), mpsc::channel());
        let output = Output::to(Slow { written, go_on });
        output.write_line("f", "first");
        assert_eq!(pieces.recv().unwrap(), "f | first\n");
        let long = "x".repeat(ROOM / 4);
        (0..5).for_each(|_| output.write_line("f", &long));
        more.send(()).unwrap();
        assert_eq!(pieces.recv().unwrap(), format!("f | {long}\n").repeat(3));
        output.write_line("f", "after");
        more.send(()).unwrap();
        let rest = "lambda-local | 2 lines were dropped: nobody read them\nf | after\n";
        assert_eq!(pieces.recv().unwrap(), rest);
        output.flush(Duration::ZERO);
        more.send(()).unwrap();
        output.flush(Duration::from_secs(60));
        assert!(!output.0.lock().is_writing, "all is written");
    }
}
