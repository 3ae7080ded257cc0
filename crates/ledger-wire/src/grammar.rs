//! The grammar of commands, told once: which fields each kind of command has, and what each field may say.
//!
//! The body of a request and a record of the log are read by this table, and a record is written by it. They differ in two
//! things, which [`Form`] names: a body may leave out what has a default, or say `null` for it, and a record has every
//! default written out; and a body names a hold by its transaction id, a record by its position, since the account stands
//! beside it.
//!
//! | kind | fields beside `type`, `account` and, if wished, `reference` |
//! |---|---|
//! | `deposit` | `amount`, `currency` |
//! | `withdrawal_request` | `amount`, `currency`, `expires_in_seconds` (7 days unless told) |
//! | `withdrawal` | `amount`, `currency`; to capture a hold: `request`, `final` (true unless told) |
//! | `release` | `request` |
//!
//! A field that the kind does not have is refused, as is any field twice.

use ledger::{Amount, Kind, Reference};

/// The longest a hold can be asked for: 366 days.
pub const LONGEST_HOLD_SECONDS: i64 = 366 * 24 * 60 * 60;
/// How long a hold lasts unless the request says otherwise: 7 days.
pub const DEFAULT_HOLD_SECONDS: i64 = 7 * 24 * 60 * 60;

/// A field of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Type,
    Account,
    Amount,
    Currency,
    ExpiresInSeconds,
    Request,
    Final,
    Reference,
}

/// What a field may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// One of the kinds' names.
    Kind,
    AccountId,
    /// A whole number within bounds, both included; `rule` says so.
    Whole {
        least: i64,
        most: i64,
        rule: &'static str,
    },
    /// A code of ISO 4217.
    Currency,
    /// A withdrawal request of the same account.
    Request,
    Flag,
    /// So many characters at most, at least one, and no control characters.
    Text {
        longest: usize,
    },
}

/// Whether a command of a kind has a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Required,
    Optional,
    /// A body may leave it out and means this by it.
    Default(Plain),
    /// The same, of commands that name a request; no others have it.
    DefaultWithRequest(Plain),
}

/// A default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    Whole(i64),
    Flag(bool),
}

/// Whether it is a body or a record that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The body of a request.
    Body,
    /// A record of the log.
    Record,
}

/// A field that a kind of command has.
pub type Rule = (Field, Presence);

impl Field {
    /// In the order in which a record has them and faults are looked for.
    pub const ALL: [Self; 8] = [
        Self::Type,
        Self::Account,
        Self::Amount,
        Self::Currency,
        Self::ExpiresInSeconds,
        Self::Request,
        Self::Final,
        Self::Reference,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Account => "account",
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::ExpiresInSeconds => "expires_in_seconds",
            Self::Request => "request",
            Self::Final => "final",
            Self::Reference => "reference",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    pub const fn values(self) -> Values {
        match self {
            Self::Type => Values::Kind,
            Self::Account => Values::AccountId,
            Self::Amount => Values::Whole {
                least: 1,
                most: Amount::MAX_MINOR_UNITS,
                rule: "an amount is a whole number of minor units, at least 1 and at most 9007199254740991",
            },
            Self::Currency => Values::Currency,
            Self::ExpiresInSeconds => Values::Whole {
                least: 1,
                most: LONGEST_HOLD_SECONDS,
                rule: "is a whole number of seconds from 1 to 31622400",
            },
            Self::Request => Values::Request,
            Self::Final => Values::Flag,
            Self::Reference => Values::Text { longest: Reference::MAX_LENGTH },
        }
    }
}

const TYPE: Rule = (Field::Type, Presence::Required);
const ACCOUNT: Rule = (Field::Account, Presence::Required);
const AMOUNT: Rule = (Field::Amount, Presence::Required);
const CURRENCY: Rule = (Field::Currency, Presence::Required);
const EXPIRY: Rule = (Field::ExpiresInSeconds, Presence::Default(Plain::Whole(DEFAULT_HOLD_SECONDS)));
const FINAL: Rule = (Field::Final, Presence::DefaultWithRequest(Plain::Flag(true)));
const REFERENCE: Rule = (Field::Reference, Presence::Optional);

/// The fields of a kind of command, in the order of [`Field::ALL`].
pub const fn fields_of(kind: Kind) -> &'static [Rule] {
    match kind {
        Kind::Deposit => &[TYPE, ACCOUNT, AMOUNT, CURRENCY, REFERENCE],
        Kind::WithdrawalRequest => &[TYPE, ACCOUNT, AMOUNT, CURRENCY, EXPIRY, REFERENCE],
        Kind::Withdrawal => &[TYPE, ACCOUNT, AMOUNT, CURRENCY, (Field::Request, Presence::Optional), FINAL, REFERENCE],
        Kind::Release => &[TYPE, ACCOUNT, (Field::Request, Presence::Required), REFERENCE],
    }
}

#[cfg(test)]
mod tests {
    use ledger::InvalidAmount;

    use super::*;

    #[test]
    fn each_kind_has_its_fields_in_the_order_of_records() {
        for kind in Kind::ALL {
            let places = fields_of(kind).iter().map(|(field, _)| *field as usize);
            assert!(places.is_sorted(), "{kind}");
            assert_eq!(fields_of(kind)[..2], [TYPE, ACCOUNT], "{kind}");
        }
        assert!(Field::ALL.into_iter().enumerate().all(|(place, field)| field as usize == place));
    }

    #[test]
    fn a_field_has_one_name() {
        for field in Field::ALL {
            assert_eq!(Field::from_name(field.name()), Some(field));
        }
        assert_eq!(Field::from_name("colour"), None);
    }

    #[test]
    fn rules_name_their_bounds() {
        for field in Field::ALL {
            if let Values::Whole { least, most, rule } = field.values() {
                assert!(rule.contains(&least.to_string()) && rule.contains(&most.to_string()), "{rule}");
            }
        }
        let Values::Whole { rule, .. } = Field::Amount.values() else { panic!("an amount is a number") };
        assert_eq!(rule, InvalidAmount.to_string());
    }
}
