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

/// Why a value cannot be had. It is told by whoever needs the value; whoever does not lets it go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unresolved(Vec<Cause>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cause {
    problem: Problem,
    /// The template is right, and the value is known on AWS alone.
    only_on_aws: bool,
}

/// Most causes that are kept of one value.
const MOST_CAUSES: usize = 100;

impl Unresolved {
    /// The template is wrong, for AWS too.
    pub(crate) fn mistake(path: &str, what: impl Into<String>) -> Self {
        Self::cause(path, what.into(), false)
    }

    /// Only AWS knows the value.
    pub(crate) fn only_on_aws(path: &str, what: impl Into<String>) -> Self {
        Self::cause(path, what.into(), true)
    }

    /// The problem stands in the collection already.
    pub(crate) fn reported(_: Reported) -> Self {
        Self::default()
    }

    fn cause(path: &str, what: String, only_on_aws: bool) -> Self {
        Self(vec![Cause { problem: Problem { path: path.to_owned(), what }, only_on_aws }])
    }

    /// Whether the template is wrong, and would be for AWS.
    pub(crate) fn is_mistake(&self) -> bool {
        self.0.iter().all(|cause| !cause.only_on_aws)
    }

    /// The values, or everything that keeps any of them from being had.
    pub(crate) fn all<T>(values: impl Iterator<Item = Result<T, Self>>) -> Result<Vec<T>, Self> {
        let mut all = Ok(vec![]);
        for value in values {
            match (value, &mut all) {
                (Ok(value), Ok(values)) => values.push(value),
                (Err(unresolved), Ok(_)) => all = Err(unresolved),
                (Err(unresolved), Err(others)) => others.add(unresolved),
                (Ok(_), Err(_)) => {}
            }
        }
        all
    }

    fn add(&mut self, other: Self) {
        let room = MOST_CAUSES.saturating_sub(self.0.len());
        self.0.extend(other.0.into_iter().take(room));
    }
}

/// The collection that every step of reading writes to.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    problems: RefCell<Vec<Problem>>,
    not_supported: RefCell<Vec<String>>,
}

impl Findings {
    /// Records a problem. The same one met twice (a condition used in two places) is told once.
    pub(crate) fn problem(&self, path: &str, what: impl Into<String>) -> Reported {
        self.add(Problem { path: path.to_owned(), what: what.into() });
        Reported
    }

    /// Records why a value that is needed cannot be had, with what helps where only AWS knows it.
    pub(crate) fn unresolved(&self, Unresolved(causes): Unresolved, what_helps: &str) -> Reported {
        for Cause { mut problem, only_on_aws } in causes {
            if only_on_aws {
                problem.what = format!("{}; {what_helps}", problem.what);
            }
            self.add(problem);
        }
        Reported
    }

    fn add(&self, problem: Problem) {
        let mut problems = self.problems.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
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
