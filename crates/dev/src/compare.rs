//! What was printed against what the README shows, where `…` stands for whatever differs from run to run (ids, times).

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

#[cfg(test)]
mod tests {
    use super::*;

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
