//! The end of an invocation's log: its own lines, and nobody else's. Pure.
//!
//! An invocation that was alone with its log has all lines since its START. One that shared it with others has the lines that
//! name its request (START, END, REPORT, and what the function writes with the id): of the rest nobody can tell whose they
//! are, so they are left out, and their number is said.

use std::collections::VecDeque;

/// What `X-Amz-Log-Result` holds at most.
const TAIL: usize = 4 * 1024;
/// Bytes of lines that are kept of one environment.
const KEPT: usize = 64 * 1024;

/// The last lines of one environment. Bounds: [`KEPT`] bytes, [`TAIL`] of a line.
#[derive(Debug, Default)]
pub(super) struct Recent {
    lines: VecDeque<Box<str>>,
    bytes: usize,
    /// How many lines came before those that are kept.
    gone: u64,
}

impl Recent {
    pub(super) fn push(&mut self, line: &str) {
        let line = &line[line.ceil_char_boundary(line.len().saturating_sub(TAIL))..];
        self.bytes += line.len();
        self.lines.push_back(line.into());
        while self.bytes > KEPT {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.len();
            self.gone += 1;
        }
    }

    /// How many lines there have been.
    pub(super) fn end(&self) -> u64 {
        self.gone + self.lines.len() as u64
    }

    /// The lines since so many, as far as they are kept.
    pub(super) fn since(&self, since: u64) -> impl Iterator<Item = &str> {
        let passed = usize::try_from(since.saturating_sub(self.gone)).unwrap_or(usize::MAX);
        self.lines.iter().skip(passed).map(|line| &**line)
    }
}

/// The last 4 KB of some lines; with `only`, of those with these words in them.
pub(super) fn of<'l>(lines: impl Iterator<Item = &'l str>, only: Option<&str>) -> Vec<u8> {
    let (mut own, mut left_out) = (String::new(), 0);
    for line in lines {
        if only.is_none_or(|only| line.contains(only)) {
            own.push_str(line);
            own.push('\n');
        } else {
            left_out += 1;
        }
    }
    let note = match left_out {
        0 => String::new(),
        lines => {
            format!("lambda-local: {lines} lines are left out that name no request, and may be of others at the time\n")
        }
    };
    let start = own.len().saturating_sub(TAIL - note.len());
    [note.as_bytes(), &own.as_bytes()[start..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[&str], only: Option<&str>) -> String {
        String::from_utf8(of(lines.iter().copied(), only)).unwrap()
    }

    #[test]
    fn who_was_alone_has_every_line_and_who_was_not_those_that_name_it() {
        let lines = ["START RequestId: a", "START RequestId: b", "hello", "a: hello", "END RequestId: a"];
        assert_eq!(text(&lines[2..], None), "hello\na: hello\nEND RequestId: a\n");
        let own = text(&lines, Some("a:")).replace("START RequestId: a\n", "");
        assert!(own.starts_with("lambda-local: 4 lines are left out") && own.ends_with("\na: hello\n"), "{own}");
        assert_eq!(text(&lines[..1], Some("Id: a")), "START RequestId: a\n", "nothing is left out");
    }

    #[test]
    fn it_is_at_most_four_kilobytes_the_note_included() {
        let line = "a".repeat(1_000);
        let tail = text(&[line.as_str(); 10], None);
        assert_eq!((tail.len(), tail.matches('\n').count()), (TAIL, 5));
        let tail = text(&[&[line.as_str(); 10][..], &["b"]].concat(), Some("a"));
        assert!(tail.len() == TAIL && tail.starts_with("lambda-local: 1 lines"), "{tail}");
    }

    #[test]
    fn of_an_environment_the_last_lines_are_kept() {
        let mut recent = Recent::default();
        assert_eq!(recent.end(), 0);
        recent.push("first");
        let since = recent.end();
        recent.push(&"\u{e9}".repeat(10_000));
        recent.push("last");
        let lines: Vec<_> = recent.since(since).map(str::len).collect();
        assert_eq!(lines, [TAIL, 4]);
        (0..100).for_each(|_| recent.push(&"x".repeat(1_000)));
        assert!(recent.bytes <= KEPT && recent.since(since).all(|line| line.len() == 1_000));
        assert_eq!((recent.end(), recent.since(102).count()), (103, 1));
    }
}
