use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Names an account: `[A-Za-z0-9][A-Za-z0-9_:-]{0,63}`, with at most one `~` inside. Cheap to clone.
///
/// What stands before the `~` is the account's placement group: all accounts of one group stand in one partition of the log
/// ([`Placement`](crate::Placement)). An account without a `~` is a group of its own.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(Arc<str>);

/// Text that does not name an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an account id is 1 to 64 characters, a letter or digit first, then letters, digits, '_', ':' or '-', with at most one '~' inside"
)]
pub struct InvalidAccountId;

impl AccountId {
    pub const MAX_LENGTH: usize = 64;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The placement group: what stands before the `~`, or the whole id where it has none.
    pub fn group(&self) -> &str {
        self.0.split_once('~').map_or(&self.0, |(group, _)| group)
    }
}

impl FromStr for AccountId {
    type Err = InvalidAccountId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain =
            |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-'));
        let (group, rest) = text.split_once('~').map_or((text, None), |(group, rest)| (group, Some(rest)));
        let starts_well = group.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        let goes_on_well = is_plain(group) && rest.is_none_or(|rest| !rest.is_empty() && is_plain(rest));
        if starts_well && goes_on_well && text.len() <= Self::MAX_LENGTH {
            Ok(Self(text.into()))
        } else {
            Err(InvalidAccountId)
        }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_ids_match_their_pattern() {
        let longest = "a".repeat(64);
        for good in ["a", "7", "alice", "Cust:42_x-y", "acme~main", "a~-", longest.as_str()] {
            assert_eq!(good.parse::<AccountId>().unwrap().as_str(), good);
        }
        let too_long = "a".repeat(65);
        for bad in [
            "",
            "_a",
            "-a",
            ":a",
            "@world",
            "a.b",
            "a b",
            "é",
            "a\n",
            "~",
            "~a",
            "a~",
            "a~b~c",
            "a~~b",
            too_long.as_str(),
        ] {
            assert_eq!(bad.parse::<AccountId>(), Err(InvalidAccountId), "{bad:?}");
        }
    }

    #[test]
    fn the_placement_group_is_what_stands_before_the_tilde() {
        for (id, group) in [("alice", "alice"), ("acme~main", "acme"), ("a:b~c-d", "a:b")] {
            assert_eq!(id.parse::<AccountId>().unwrap().group(), group);
        }
    }
}
