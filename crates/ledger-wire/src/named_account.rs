//! The account of a record that nobody can read, where it still names one.

use ledger::AccountId;
use serde::Deserialize;

/// The account that a record's value names, whatever else is wrong with it; else the one that its key is the id of: of an
/// account without a `~` it is.
///
/// A record may be unreadable to this program and yet have been written by another version of the door, which told its
/// client an id of that account.
pub fn named_account(key: Option<&[u8]>, value: Option<&[u8]>) -> Option<AccountId> {
    #[derive(Deserialize)]
    struct Record<'a> {
        #[serde(borrow)]
        command: Command<'a>,
    }
    #[derive(Deserialize)]
    struct Command<'a> {
        #[serde(borrow)]
        account: std::borrow::Cow<'a, str>,
    }
    let named = value.and_then(|value| serde_json::from_slice::<Record<'_>>(value).ok());
    let account = named.and_then(|record| record.command.account.parse().ok());
    account.or_else(|| std::str::from_utf8(key?).ok()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_says_it_before_the_key_does() {
        let later = br#"{"v":2,"colour":"red","command":{"type":"gift","account":"acme~main"}}"#;
        for (key, value, account) in [
            (Some(&b"acme"[..]), Some(&later[..]), Some("acme~main")),
            (Some(b"acme"), Some(b"no JSON"), Some("acme")),
            (Some(b"acme"), Some(br#"{"command":{"account":"@world"}}"#), Some("acme")),
            (Some(b"a b"), None, None),
            (None, Some(&later[..]), Some("acme~main")),
            (None, None, None),
        ] {
            let named = named_account(key, value);
            assert_eq!(named.as_ref().map(AccountId::as_str), account, "{key:?} {value:?}");
        }
    }
}
