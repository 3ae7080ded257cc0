//! The header `Idempotency-Key`.
//!
//! It is a structured header whose value is a string, `"8e03978e"` (RFC 9651, section 3.3.3;
//! draft-ietf-httpapi-idempotency-key-header). Most clients send the key as it is, without the quotes, and mean the same:
//! `"k1"` and `k1` are one key. Two headers of one name reach the function as one, their values with a comma between them
//! (payload format 2.0), so a key that stands there as it is has no comma.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use ledger::{IdempotencyKey, InvalidKey};
use ledger_wire::FieldFault;
use sfv::{Item, Parser};

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// As clients write it.
pub(crate) const NAME: &str = "Idempotency-Key";

/// The key, where there is one.
///
/// # Errors
/// Says what a key may hold.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, FieldFault> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => read(value).map(Some),
        (Some(_), Some(_)) => Err(several()),
    }
}

fn read(value: &HeaderValue) -> Result<IdempotencyKey, FieldFault> {
    // What is not ASCII is no key, in quotes or not.
    let text = value.to_str().map_err(|_| FieldFault::new(NAME, InvalidKey))?.trim();
    if text.starts_with('"') {
        return in_quotes(text)?.parse().map_err(|rule| FieldFault::new(NAME, rule));
    }
    if text.contains(',') {
        return Err(several());
    }
    text.parse().map_err(|rule| FieldFault::new(NAME, rule))
}

fn in_quotes(text: &str) -> Result<String, FieldFault> {
    let item = Parser::new(text).parse::<Item>().ok().filter(|item| item.params.is_empty());
    let string = item.as_ref().and_then(|item| item.bare_item.as_string());
    string.map(|string| string.as_str().to_owned()).ok_or_else(|| {
        FieldFault::new(
            NAME,
            "begins with a quote and is not one string in quotes; write \\\" for a quote inside of it",
        )
    })
}

fn several() -> FieldFault {
    FieldFault::new(NAME, "is sent more than once, or has a comma; send one, and in quotes if it has a comma")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(values: &[&[u8]]) -> Result<Option<String>, String> {
        let value = |value: &&[u8]| (IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
        let key = idempotency_key(&values.iter().map(value).collect());
        key.map(|key| key.map(|key| key.as_str().to_owned())).map_err(|fault| {
            assert_eq!(fault.field.as_deref(), Some(NAME));
            fault.detail
        })
    }

    #[test]
    fn a_key_is_the_same_in_quotes_and_without() {
        for (sent, key) in [
            ("k1", "k1"),
            ("\"k1\"", "k1"),
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            ("\"a, b\"", "a, b"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("  k1 ", "k1"),
            ("a b", "a b"),
        ] {
            assert_eq!(key_of(&[sent.as_bytes()]), Ok(Some(key.to_owned())), "{sent}");
        }
        assert_eq!(key_of(&[]), Ok(None));
    }

    #[test]
    fn what_is_no_key_says_what_one_is() {
        let long = "k".repeat(129);
        for (sent, says) in [
            ("café".as_bytes(), "128 characters of ASCII"),
            ("\"café\"".as_bytes(), "128 characters of ASCII"),
            (b"caf\xe9", "128 characters of ASCII"),
            (b"", "128 characters of ASCII"),
            (b"\"\"", "128 characters of ASCII"),
            (b"a\tb", "128 characters of ASCII"),
            (long.as_bytes(), "128 characters of ASCII"),
            (b"\"k1", "one string in quotes"),
            (b"\"k1\"x", "one string in quotes"),
            (b"\"k1\";a=1", "one string in quotes"),
            (br#""k\1""#, "one string in quotes"),
            (b"\"k1\",\"k2\"", "one string in quotes"),
            (b"k1,k2", "more than once"),
        ] {
            let said = key_of(&[sent]).unwrap_err();
            assert!(said.contains(says), "{}: {said}", String::from_utf8_lossy(sent));
        }
        assert!(key_of(&[b"k1", b"k1"]).unwrap_err().contains("more than once"));
    }
}
