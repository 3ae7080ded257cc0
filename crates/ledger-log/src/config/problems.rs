use std::fmt;
use std::ops::RangeInclusive;

/// What is wrong with one variable, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}; {fix}")]
pub struct ConfigProblem {
    pub variable: &'static str,
    pub problem: String,
    pub fix: String,
}

/// Everything that is wrong with a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblems(pub Vec<ConfigProblem>);

impl std::error::Error for ConfigProblems {}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ConfigProblem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Reads variables and collects what is wrong with them.
pub(super) struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<ConfigProblem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    pub(super) fn text(&self, variable: &str) -> Option<String> {
        (self.lookup)(variable).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    pub(super) fn fault(&mut self, variable: &'static str, problem: impl fmt::Display, fix: impl fmt::Display) {
        self.problems.push(ConfigProblem { variable, problem: problem.to_string(), fix: fix.to_string() });
    }

    /// A variable that must be there, for the reason given.
    pub(super) fn required(&mut self, variable: &'static str, reason: &str) -> Option<String> {
        let value = self.text(variable);
        if value.is_none() {
            self.fault(variable, format_args!("is missing, and {reason}"), "set it");
        }
        value
    }

    /// A file that must be readable, where the variable is set.
    pub(super) fn file(&mut self, variable: &'static str) -> Option<String> {
        let path = self.text(variable)?;
        if let Err(error) = std::fs::File::open(&path) {
            self.fault(variable, format_args!("cannot read {path} ({error})"), "name a PEM file that can be read");
        }
        Some(path)
    }

    pub(super) fn number(&mut self, variable: &'static str, range: RangeInclusive<u64>, default: u64) -> Option<u64> {
        let Some(text) = self.text(variable) else { return Some(default) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            self.fault(
                variable,
                format_args!("{text:?} will not do"),
                format_args!("set a whole number from {least} to {most}"),
            );
        }
        number
    }

    /// The value, unless something was wrong.
    pub(super) fn finish<T>(self, value: impl FnOnce() -> Option<T>) -> Result<T, ConfigProblems> {
        match value() {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(ConfigProblems(self.problems)),
        }
    }
}
