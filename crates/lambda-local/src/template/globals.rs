//! SAM's `Globals.Function`, merged into each function as the translator does it: maps merge, lists append, and for
//! everything else the function's own value wins. An intrinsic function counts as a plain value: it is not merged into.

use serde_json::{Map, Value};

use super::document::intrinsic;

/// A function's properties with the globals under them. `ignored` is the resource's `IgnoreGlobals`.
pub(crate) fn merged(
    globals: &Map<String, Value>,
    own: &Map<String, Value>,
    ignored: Option<&Value>,
) -> Map<String, Value> {
    let skips = |key: &str| match ignored {
        Some(Value::String(all)) => all == "*",
        Some(Value::Array(keys)) => keys.iter().any(|ignored| ignored == key),
        _ => false,
    };
    let globals: Map<_, _> =
        globals.iter().filter(|(key, _)| !skips(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
    merge_maps(globals, own)
}

fn merge_maps(mut under: Map<String, Value>, over: &Map<String, Value>) -> Map<String, Value> {
    for (key, value) in over {
        let merged = match under.remove(key) {
            Some(global) => merge(global, value),
            None => value.clone(),
        };
        under.insert(key.clone(), merged);
    }
    under
}

fn merge(global: Value, own: &Value) -> Value {
    if intrinsic(&global).is_some() || intrinsic(own).is_some() {
        return own.clone();
    }
    match (global, own) {
        (Value::Object(global), Value::Object(own)) => Value::Object(merge_maps(global, own)),
        (Value::Array(mut global), Value::Array(own)) => {
            global.extend(own.iter().cloned());
            Value::Array(global)
        }
        (_, own) => own.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(globals: Value, own: Value, ignored: Option<Value>, expected: Value) {
        let (Value::Object(globals), Value::Object(own)) = (globals, own) else { panic!("maps") };
        assert_eq!(Value::Object(merged(&globals, &own, ignored.as_ref())), expected);
    }

    #[test]
    fn globals_lie_under_a_functions_own_properties() {
        check(json!({"Timeout": 3}), json!({}), None, json!({"Timeout": 3}));
        check(json!({"Timeout": 3}), json!({"Timeout": 9}), None, json!({"Timeout": 9}));
        check(
            json!({"E": {"V": {"A": 1, "B": 2}}}),
            json!({"E": {"V": {"B": 3}}}),
            None,
            json!({"E": {"V": {"A": 1, "B": 3}}}),
        );
        check(json!({"L": [1]}), json!({"L": [2]}), None, json!({"L": [1, 2]}));
        check(json!({"E": {"Ref": "X"}}), json!({"E": {"A": 1}}), None, json!({"E": {"A": 1}}));
        check(json!({"T": 1, "U": 2}), json!({}), Some(json!(["T"])), json!({"U": 2}));
        check(json!({"T": 1, "U": 2}), json!({}), Some(json!("*")), json!({}));
    }
}
