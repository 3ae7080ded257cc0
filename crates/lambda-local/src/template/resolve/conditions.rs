//! Conditions, and the branch of an `Fn::If` that one chooses.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Scope, intrinsic};
use crate::template::fields::PARAMETER_HELPS;
use crate::template::problems::{Reported, Unresolved};

/// What is known of the template's conditions. Each is evaluated once: they may build on one another, and twice as many
/// times at each step.
pub(crate) type Evaluated = BTreeMap<String, Evaluation>;

#[derive(Clone, Debug)]
pub(crate) enum Evaluation {
    /// Being evaluated: one that needs itself is a problem, not an endless loop.
    Begun,
    Done(Result<bool, Unresolved>),
}

impl Scope<'_> {
    /// Whether a condition holds that decides what there is. One that cannot be evaluated is a problem.
    pub(crate) fn holds(&self, path: &str, condition: &Value) -> Result<bool, Reported> {
        self.condition_named(path, condition)
            .map_err(|unresolved| self.findings.unresolved(unresolved, PARAMETER_HELPS))
    }

    /// A condition by its name, as Fn::If and `Condition:` give it.
    pub(super) fn condition_named(&self, path: &str, name: &Value) -> Result<bool, Unresolved> {
        let Some(name) = name.as_str() else { return self.condition(path, name) };
        let Some(condition) = self.conditions.get(name) else {
            return Err(Unresolved::mistake(path, format!("there is no condition named {name}")));
        };
        let path = format!("Conditions.{name}");
        let known = self.evaluated.borrow().get(name).cloned();
        match known {
            Some(Evaluation::Done(outcome)) => return outcome,
            Some(Evaluation::Begun) => return Err(Unresolved::mistake(&path, "needs itself")),
            None => {}
        }
        let keep = |evaluation| self.evaluated.borrow_mut().insert(name.to_owned(), evaluation);
        keep(Evaluation::Begun);
        let outcome = self.condition(&path, condition);
        keep(Evaluation::Done(outcome.clone()));
        outcome
    }

    pub(super) fn condition(&self, path: &str, value: &Value) -> Result<bool, Unresolved> {
        let Some((function, argument)) = intrinsic(value) else {
            return value.as_bool().ok_or_else(|| Unresolved::mistake(path, "is not a condition"));
        };
        let parts = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        match (function, parts) {
            ("Condition", _) => self.condition_named(path, argument),
            ("Fn::Equals", [left, right]) => Ok(self.scalar(path, left)? == self.scalar(path, right)?),
            ("Fn::Not", [inner]) => self.condition(path, inner).map(|flag| !flag),
            ("Fn::And", [_, _, ..]) => self.all_conditions(path, parts).map(|flags| flags.into_iter().all(|flag| flag)),
            ("Fn::Or", [_, _, ..]) => self.all_conditions(path, parts).map(|flags| flags.into_iter().any(|flag| flag)),
            _ => {
                let what = format!("{function} is not a condition, or has the wrong number of parts");
                Err(Unresolved::mistake(path, what))
            }
        }
    }

    fn all_conditions(&self, path: &str, parts: &[Value]) -> Result<Vec<bool>, Unresolved> {
        parts.iter().map(|part| self.condition(path, part)).collect()
    }

    /// What an Fn::If stands for, not resolved yet.
    pub(super) fn branch<'v>(&self, path: &str, argument: &'v Value) -> Result<&'v Value, Unresolved> {
        match argument.as_array().map(Vec::as_slice) {
            Some([condition, yes, no]) => Ok(if self.condition_named(path, condition)? { yes } else { no }),
            _ => Err(Unresolved::mistake(path, "Fn::If takes [condition, value if true, value if false]")),
        }
    }
}
