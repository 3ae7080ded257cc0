use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::account_id::AccountId;
use crate::money::Money;
use crate::position::{Position, TransactionId};
use crate::timestamp::Timestamp;

/// What a client asked for, as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub position: Position,
    /// The broker's time of the record; the only clock the rules know.
    pub recorded_at: Timestamp,
    pub account: AccountId,
    pub action: Action,
    /// The client's own words, kept with the entry.
    pub reference: Option<Reference>,
    pub idempotency: Option<Idempotency>,
}

impl Command {
    pub fn id(&self) -> TransactionId {
        TransactionId { account: self.account.clone(), position: self.position }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Deposit(Money),
    /// Places a hold that lasts so many seconds from `recorded_at` on.
    WithdrawalRequest {
        money: Money,
        expires_in_seconds: u32,
    },
    /// Takes money at once.
    Withdrawal(Money),
    /// Takes money that an earlier request holds; what then remains of the hold is released, unless `is_final` is false.
    Capture {
        request: Position,
        money: Money,
        is_final: bool,
    },
    /// Gives what remains of a hold back.
    Release {
        request: Position,
    },
}

impl Action {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Deposit(_) => Kind::Deposit,
            Self::WithdrawalRequest { .. } => Kind::WithdrawalRequest,
            Self::Withdrawal(_) | Self::Capture { .. } => Kind::Withdrawal,
            Self::Release { .. } => Kind::Release,
        }
    }

    /// The money the client named; a release names none.
    pub const fn money(&self) -> Option<Money> {
        match self {
            Self::Deposit(money) | Self::Withdrawal(money) => Some(*money),
            Self::WithdrawalRequest { money, .. } | Self::Capture { money, .. } => Some(*money),
            Self::Release { .. } => None,
        }
    }

    /// The hold that the command is about to end or lessen.
    pub const fn request(&self) -> Option<Position> {
        match self {
            Self::Capture { request, .. } | Self::Release { request } => Some(*request),
            Self::Deposit(_) | Self::WithdrawalRequest { .. } | Self::Withdrawal(_) => None,
        }
    }
}

/// What a command is called on the wire and in the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Deposit,
    WithdrawalRequest,
    Withdrawal,
    Release,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Deposit, Self::WithdrawalRequest, Self::Withdrawal, Self::Release];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::WithdrawalRequest => "withdrawal_request",
            Self::Withdrawal => "withdrawal",
            Self::Release => "release",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A client's key for one intent, with a digest of what it asked under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    pub key: IdempotencyKey,
    pub fingerprint: Fingerprint,
}

/// SHA-256 of a command's canonical form.
pub type Fingerprint = [u8; 32];

/// Text that is empty, too long, or has control characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {max_length} characters without control characters")]
pub struct InvalidText {
    pub max_length: usize,
}

/// A client's key: 1 to 128 characters of ASCII from space to `~`, which is what a string in a structured header may hold
/// (RFC 9651, section 3.3.3); unique per account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

/// Text that is no idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a key is 1 to {} characters of ASCII, from space to ~, such as a UUID; other letters have no place in a header",
    IdempotencyKey::MAX_LENGTH
)]
pub struct InvalidKey;

impl IdempotencyKey {
    pub const MAX_LENGTH: usize = 128;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits =
            (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if fits { Ok(Self(text.into())) } else { Err(InvalidKey) }
    }
}

/// A client's own words about a command: 1 to 256 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference(Arc<str>);

impl Reference {
    pub const MAX_LENGTH: usize = 256;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Reference {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let max_length = Self::MAX_LENGTH;
        let fits = !text.is_empty() && text.chars().count() <= max_length && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.into())) } else { Err(InvalidText { max_length }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_bounded_text() {
        assert_eq!("invoice 7 – paid".parse::<Reference>().unwrap().as_str(), "invoice 7 – paid");
        assert!("é".repeat(256).parse::<Reference>().is_ok());
        for bad in ["".to_owned(), "a\nb".to_owned(), "é".repeat(257)] {
            assert_eq!(bad.parse::<Reference>(), Err(InvalidText { max_length: 256 }));
        }
    }

    #[test]
    fn keys_are_what_a_structured_header_holds() {
        for good in ["k", "a key, of \"words\" ~ \\", &"k".repeat(128)] {
            assert_eq!(good.parse::<IdempotencyKey>().unwrap().as_str(), good);
        }
        for bad in ["", "café", "a\tb", "a\u{7f}", &"k".repeat(129)] {
            assert_eq!(bad.parse::<IdempotencyKey>(), Err(InvalidKey), "{bad:?}");
        }
    }

    #[test]
    fn kinds_read_back_from_their_names() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(Kind::from_name("capture"), None);
    }
}
