//! The one reader of environment variables: of the log, the store, the functions and the command line.
//!
//! Whoever is configured takes what it needs from [`Variables`], which collects what is wrong on the way. [`finish`] gives
//! the configuration, or everything that is wrong with it: an operator mends all of it before the next start. A problem
//! names its variable and says what to do.
//!
//! An empty value counts as none, so that a template can always name a variable; blanks around a value are left out.
//!
//! [`finish`]: Variables::finish

use std::fmt;
use std::ops::RangeInclusive;

/// What is wrong with one variable, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}; {fix}")]
pub struct Problem {
    pub variable: &'static str,
    pub problem: String,
    pub fix: String,
}

/// Everything that is wrong with a configuration, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Variables, and what was found to be wrong with them so far.
pub struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

impl fmt::Debug for Variables<'_> {
    /// Values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variables").field("problems", &self.problems).finish_non_exhaustive()
    }
}

/// Reads this process's environment. A value that is not UTF-8 is read with replacement characters in it, which no setting
/// takes: it is refused, and not passed over.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_environment<T>(read: impl FnOnce(&mut Variables<'_>) -> Option<T>) -> Result<T, Problems> {
    read_from(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()), read)
}

/// Reads the variables that `lookup` knows.
///
/// # Errors
/// Everything that is wrong with them.
pub fn read_from<T>(
    lookup: impl Fn(&str) -> Option<String>,
    read: impl FnOnce(&mut Variables<'_>) -> Option<T>,
) -> Result<T, Problems> {
    let mut variables = Variables { lookup: &lookup, problems: Vec::new() };
    let value = read(&mut variables);
    variables.finish(value)
}

impl Variables<'_> {
    /// The value, where there is one.
    pub fn text(&self, variable: &str) -> Option<String> {
        (self.lookup)(variable).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// Notes that something is wrong; once, where two read the same variable.
    pub fn fault(&mut self, variable: &'static str, problem: impl fmt::Display, fix: impl fmt::Display) {
        let problem = Problem { variable, problem: problem.to_string(), fix: fix.to_string() };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// A variable that must be there, for the reason given.
    pub fn required(&mut self, variable: &'static str, reason: &str) -> Option<String> {
        let value = self.text(variable);
        if value.is_none() {
            self.fault(variable, format_args!("is missing, and {reason}"), "set it");
        }
        value
    }

    /// A file that must be readable, where the variable is set.
    pub fn file(&mut self, variable: &'static str) -> Option<String> {
        let path = self.text(variable)?;
        if let Err(error) = std::fs::File::open(&path) {
            self.fault(variable, format_args!("cannot read {path} ({error})"), "name a PEM file that can be read");
        }
        Some(path)
    }

    /// A whole number; nothing, where it is none or out of range.
    pub fn number(&mut self, variable: &'static str, range: RangeInclusive<u64>, default: u64) -> Option<u64> {
        let Some(text) = self.text(variable) else { return Some(default) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            let fix = match *most {
                u64::MAX => format!("set a whole number from {least} on"),
                most => format!("set a whole number from {least} to {most}"),
            };
            self.fault(variable, format_args!("{text:?} will not do"), fix);
        }
        number
    }

    /// `true` or `false`; nothing, where it is neither.
    pub fn flag(&mut self, variable: &'static str, default: bool) -> Option<bool> {
        let Some(text) = self.text(variable) else { return Some(default) };
        let flag = text.parse().ok();
        if flag.is_none() {
            self.fault(variable, format_args!("{text:?} will not do"), "set true or false");
        }
        flag
    }

    fn finish<T>(self, value: Option<T>) -> Result<T, Problems> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(Problems(self.problems)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        let set = [("NUMBER", " 7 "), ("LARGE", "99"), ("FLAG", "true"), ("MAYBE", "yes"), ("EMPTY", " ")];
        set.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn what_is_set_is_read_and_what_is_not_has_its_default() {
        let read = read_from(lookup, |variables| {
            Some((
                variables.number("NUMBER", 1..=10, 3)?,
                variables.number("NONE", 1..=10, 3)?,
                variables.flag("FLAG", false)?,
                variables.flag("EMPTY", true)?,
            ))
        });
        assert_eq!(read, Ok((7, 3, true, true)));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_with_what_to_do() {
        let problems = read_from(lookup, |variables| {
            let (large, least) = (variables.number("LARGE", 1..=10, 3), variables.number("LARGE", 100..=u64::MAX, 100));
            let (maybe, required) = (variables.flag("MAYBE", true), variables.required("EMPTY", "it is needed"));
            Some((large?, least?, maybe?, required?))
        });
        let expected = "LARGE: \"99\" will not do; set a whole number from 1 to 10\n\
                        LARGE: \"99\" will not do; set a whole number from 100 on\n\
                        MAYBE: \"yes\" will not do; set true or false\n\
                        EMPTY: is missing, and it is needed; set it";
        assert_eq!(problems.unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_value_is_not_given_where_something_else_is_wrong() {
        let read = read_from(lookup, |variables| {
            variables.fault("ODD", "is odd", "set an even one");
            Some(7)
        });
        assert_eq!(read.unwrap_err().0.len(), 1);
    }
}
