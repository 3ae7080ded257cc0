//! A template's `Rules`: what its parameters must be together, which CloudFormation asserts before it makes anything.

use serde_json::{Map, Value};

use super::problems::Reported;
use super::resolve::Scope;

pub(crate) fn check(rules: &Map<String, Value>, scope: &Scope<'_>) {
    for (name, rule) in rules {
        let path = format!("Rules.{name}");
        let holds = |condition: &Value| scope.holds(&path, condition);
        let applies = rule.get("RuleCondition").is_none_or(|condition| holds(condition).unwrap_or(false));
        if !applies {
            continue;
        }
        let Some(assertions) = rule.get("Assertions").and_then(Value::as_array) else {
            scope.findings.problem(&path, "needs Assertions");
            continue;
        };
        for assertion in assertions {
            let description = assertion.get("AssertDescription").and_then(Value::as_str);
            match assertion.get("Assert").map(holds) {
                Some(Ok(true) | Err(Reported)) => {}
                Some(Ok(false)) => drop(scope.findings.problem(&path, description.unwrap_or("does not hold"))),
                None => drop(scope.findings.problem(&path, "an assertion needs an Assert")),
            }
        }
    }
}
