//! What is wrong with a template, and what of it has no effect here: collected while reading, told all at once.

use std::cell::RefCell;
use std::fmt;

/// One thing wrong in a template, named by its path (`Resources.Api.Properties.Timeout`), with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where in the template.
    pub path: String,
    /// What is wrong, and the fix.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// Every problem of a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the template cannot be used:{}", .0.iter().map(|problem| format!("\n  {problem}")).collect::<String>())]
pub struct Problems(pub Vec<Problem>);

/// A problem stands in the collection already; whoever meets this only passes it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reported;

/// The collection that every step of reading writes to.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    problems: RefCell<Vec<Problem>>,
    not_supported: RefCell<Vec<String>>,
}

impl Findings {
    /// Records a problem. The same one met twice (a condition used in two places) is told once.
    pub(crate) fn problem(&self, path: &str, what: impl Into<String>) -> Reported {
        let problem = Problem { path: path.to_owned(), what: what.into() };
        let mut problems = self.problems.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
        Reported
    }

    /// Records something that AWS acts on and this runtime does not.
    pub(crate) fn not_supported(&self, path: &str, what: impl fmt::Display) {
        let line = format!("{path}: {what}");
        let mut lines = self.not_supported.borrow_mut();
        if !lines.contains(&line) {
            lines.push(line);
        }
    }

    /// The list of what is not supported, or the problems when there is any.
    pub(crate) fn into_result(self) -> Result<Vec<String>, Problems> {
        match self.problems.into_inner() {
            problems if problems.is_empty() => Ok(self.not_supported.into_inner()),
            problems => Err(Problems(problems)),
        }
    }
}
