//! Looks through the logs of a stack for what nobody expected to fail.
//!
//! Every part says in its own way that something is an error; all of them are known here. A test that breaks something
//! on purpose lists which errors that brings, and why.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// An error that a test brings about on purpose.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// The log, by its name without `.log`; any log where it is empty.
    pub log: &'static str,
    /// What the line says, among other things.
    pub says: &'static str,
    /// Why it has to say so.
    pub why: &'static str,
}

/// How the parts mark an error.
const MARKS: [&str; 17] = [
    "\"level\":\"ERROR\"", // the functions
    " ERROR ",             // lambda-local, passbook and dev; Kafka after the time
    "] ERROR",             // Kafka
    "\"s\":\"E\"",         // mongod
    "\"s\":\"F\"",
    "[error]", // NGINX
    "[crit]",
    "[alert]",
    "[emerg]",
    "panicked at",
    "FATAL",
    // A program that crashed, in the words of the supervisor and of lambda-local. Tests end programs by other signals.
    "(SIGSEGV)",
    "(SIGABRT)",
    "(SIGBUS)",
    "(SIGILL)",
    "signal: segmentation fault",
    "signal: aborted",
];

/// What is an error to a part only because this machine was slow for a moment; nobody depends on how long it took.
const SLOW_MACHINE: [Expected; 1] = [Expected {
    log: "kafka",
    says: "Exceptionally slow controller event",
    why: "Kafka's controller takes two seconds for an exception; a busy disk or a stopped process (SIGSTOP) does that",
}];

/// Lines of one log that are quoted at most.
const MOST_QUOTED: usize = 5;

/// # Errors
/// When a log has an error line that `expected` does not name; with the lines.
pub fn scan(directory: &Path, expected: &[Expected]) -> Result<()> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("no logs in {}", directory.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| part_of(name.to_str()?)) else { continue };
        // What clients sent stands in the access log; it says nothing about errors.
        if name != "access" {
            let text = fs::read(&path).with_context(|| path.display().to_string())?;
            found.extend(unexpected(name, &String::from_utf8_lossy(&text), expected));
        }
    }
    ensure!(found.is_empty(), "unexpected errors in the logs:\n{}", found.join("\n"));
    Ok(())
}

/// `kafka.log` of this run, `kafka.log.1` of the one before.
fn part_of(file: &str) -> Option<&str> {
    file.strip_suffix(".log").or_else(|| file.strip_suffix(".log.1"))
}

fn unexpected(log: &str, text: &str, expected: &[Expected]) -> Vec<String> {
    let is_error = |line: &&str| MARKS.iter().any(|mark| line.contains(mark));
    let is_expected = |line: &str| {
        expected
            .iter()
            .chain(&SLOW_MACHINE)
            .any(|known| (known.log.is_empty() || known.log == log) && line.contains(known.says))
    };
    let lines: Vec<_> = text.lines().filter(is_error).filter(|line| !is_expected(line)).collect();
    let quoted = lines.iter().take(MOST_QUOTED).map(|line| format!("  {log}: {line}"));
    let more = lines.len().saturating_sub(MOST_QUOTED);
    quoted.chain((more > 0).then(|| format!("  {log}: … and {more} more"))).collect()
}
