//! What was printed against what is written: by the README, or beside a sample event. `…` stands for whatever differs from
//! run to run (ids, times).

use serde_json::Value;

const ANYTHING: char = '…';

/// Character by character; `…` takes as much as it must, but never a quotation mark, so it stays inside one value.
pub(crate) fn matches(shown: &str, printed: &str) -> bool {
    let mut pieces = shown.trim().split(ANYTHING);
    let printed = printed.trim();
    let Some(mut rest) = pieces.next().and_then(|first| printed.strip_prefix(first)) else { return false };
    let mut last = "";
    for piece in pieces {
        let Some(at) = find_within_value(rest, piece) else { return false };
        last = piece;
        rest = &rest[at + piece.len()..];
    }
    // A `…` at the very end may stand for the rest of it.
    rest.is_empty() || (last.is_empty() && shown.trim_end().ends_with(ANYTHING))
}

/// Where the piece goes on, provided only one value lies between.
fn find_within_value(text: &str, piece: &str) -> Option<usize> {
    let at = text.find(piece)?;
    (!text[..at].contains('"')).then_some(at)
}

/// The same for JSON: an object has the fields shown and no other, in any order; `…` may stand in texts alone.
pub(crate) fn same(shown: &Value, printed: &Value) -> bool {
    match (shown, printed) {
        (Value::Object(shown), Value::Object(printed)) => {
            shown.len() == printed.len()
                && shown.iter().all(|(name, value)| printed.get(name).is_some_and(|printed| same(value, printed)))
        }
        (Value::Array(shown), Value::Array(printed)) => {
            shown.len() == printed.len() && shown.iter().zip(printed).all(|(shown, printed)| same(shown, printed))
        }
        (Value::String(shown), Value::String(printed)) => matches(shown, printed),
        _ => shown == printed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_may_differ_in_the_order_of_fields_and_where_texts_are_left_out() {
        let shown = json!({"a": ["x…", 1], "b": r#"{"id":"…","n":1}"#, "c": null});
        for (printed, expected) in [
            (json!({"c": null, "b": r#"{"id":"7","n":1}"#, "a": ["xyz", 1]}), true),
            (json!({"a": ["xyz", 2], "b": r#"{"id":"7","n":1}"#, "c": null}), false),
            (json!({"a": ["xyz"], "b": r#"{"id":"7","n":1}"#, "c": null}), false),
            (json!({"a": ["xyz", 1], "b": r#"{"id":"7","n":2}"#, "c": null}), false),
            (json!({"a": ["xyz", 1], "b": r#"{"id":"7","n":1}"#, "d": null}), false),
            (json!({"a": ["xyz", 1], "b": r#"{"id":"7","n":1}"#, "c": null, "d": 1}), false),
        ] {
            assert_eq!(same(&shown, &printed), expected, "{printed}");
        }
    }

    #[test]
    fn only_what_is_left_out_may_differ() {
        for (shown, printed, same) in [
            (r#"{"id":"alice.000g…","n":1}"#, r#"{"id":"alice.000g12","n":1}"#, true),
            (r#"{"id":"alice.000g…","n":1}"#, r#"{"id":"alice.000g12","n":2}"#, false),
            (r#"{"id":"alice.000g…","n":1}"#, r#"{"id":"bob.000g12","n":1}"#, false),
            (r#"{"at":"…","b":"…"}"#, "{\"at\":\"1\",\"b\":\"2\"}\n", true),
            (r#"{"at":"…","n":1}"#, r#"{"at":"1","x":"2","n":1}"#, false),
            (r#"{"n":1}"#, r#"{"n":1}x"#, false),
            (r#"{"n":1}"#, "", false),
        ] {
            assert_eq!(matches(shown, printed), same, "{shown} against {printed}");
        }
    }
}
