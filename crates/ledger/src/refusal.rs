use crate::hold::HoldEnd;
use crate::money::Currency;
use crate::position::Position;
use crate::timestamp::Timestamp;

/// Why a command was not carried out. Data, not an error: a refusal is kept in the book like a posting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    AccountNotFound,
    AccountFrozen,
    AccountClosed,
    /// The account keeps its books in another currency.
    CurrencyMismatch {
        account: Currency,
    },
    InsufficientFunds {
        available: i64,
    },
    /// The balance of the account would no longer fit into 64 bits.
    BalanceLimit,
    TooManyHolds,
    HoldNotFound,
    HoldCaptured {
        by: Position,
    },
    HoldReleased {
        by: Position,
    },
    HoldExpired {
        at: Timestamp,
    },
    ExceedsHold {
        remaining: i64,
    },
    /// The key stands for a command with another body.
    IdempotencyKeyReused {
        original: Position,
    },
}

impl Refusal {
    /// The stable name that clients act on.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::AccountNotFound => "account_not_found",
            Self::AccountFrozen => "account_frozen",
            Self::AccountClosed => "account_closed",
            Self::CurrencyMismatch { .. } => "currency_mismatch",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::BalanceLimit => "balance_limit",
            Self::TooManyHolds => "too_many_holds",
            Self::HoldNotFound => "hold_not_found",
            Self::HoldCaptured { .. } => "hold_captured",
            Self::HoldReleased { .. } => "hold_released",
            Self::HoldExpired { .. } => "hold_expired",
            Self::ExceedsHold { .. } => "exceeds_hold",
            Self::IdempotencyKeyReused { .. } => "idempotency_key_reused",
        }
    }

    /// The one fact that goes with the reason, as text; [`Refusal::from_parts`] reads it back.
    pub fn fact(self) -> Option<String> {
        match self {
            Self::CurrencyMismatch { account } => Some(account.to_string()),
            Self::InsufficientFunds { available } => Some(available.to_string()),
            Self::HoldCaptured { by } | Self::HoldReleased { by } => Some(by.to_string()),
            Self::HoldExpired { at } => Some(at.epoch_ms().to_string()),
            Self::ExceedsHold { remaining } => Some(remaining.to_string()),
            Self::IdempotencyKeyReused { original } => Some(original.to_string()),
            Self::AccountNotFound
            | Self::AccountFrozen
            | Self::AccountClosed
            | Self::BalanceLimit
            | Self::TooManyHolds
            | Self::HoldNotFound => None,
        }
    }

    /// Reads a refusal from its reason and its fact; nothing where they do not make one.
    pub fn from_parts(reason: &str, fact: Option<&str>) -> Option<Self> {
        let number = || fact?.parse().ok();
        let position = || fact?.parse().ok();
        Some(match reason {
            "account_not_found" => Self::AccountNotFound,
            "account_frozen" => Self::AccountFrozen,
            "account_closed" => Self::AccountClosed,
            "currency_mismatch" => Self::CurrencyMismatch { account: fact?.parse().ok()? },
            "insufficient_funds" => Self::InsufficientFunds { available: number()? },
            "balance_limit" => Self::BalanceLimit,
            "too_many_holds" => Self::TooManyHolds,
            "hold_not_found" => Self::HoldNotFound,
            "hold_captured" => Self::HoldCaptured { by: position()? },
            "hold_released" => Self::HoldReleased { by: position()? },
            "hold_expired" => Self::HoldExpired { at: Timestamp::from_epoch_ms(number()?) },
            "exceeds_hold" => Self::ExceedsHold { remaining: number()? },
            "idempotency_key_reused" => Self::IdempotencyKeyReused { original: position()? },
            _ => return None,
        })
    }
}

impl From<HoldEnd> for Refusal {
    fn from(end: HoldEnd) -> Self {
        match end {
            HoldEnd::Captured { by } => Self::HoldCaptured { by },
            HoldEnd::Released { by } => Self::HoldReleased { by },
            HoldEnd::Expired { at } => Self::HoldExpired { at },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_reads_back_from_its_parts() {
        let position = Position::new(1, 2, 3).unwrap();
        let at = Timestamp::from_epoch_ms(1_700_000_000_123);
        for refusal in [
            Refusal::AccountNotFound,
            Refusal::AccountFrozen,
            Refusal::AccountClosed,
            Refusal::CurrencyMismatch { account: "EUR".parse().unwrap() },
            Refusal::InsufficientFunds { available: -7 },
            Refusal::BalanceLimit,
            Refusal::TooManyHolds,
            Refusal::HoldNotFound,
            Refusal::HoldCaptured { by: position },
            Refusal::HoldReleased { by: position },
            Refusal::HoldExpired { at },
            Refusal::ExceedsHold { remaining: i64::MAX },
            Refusal::IdempotencyKeyReused { original: position },
        ] {
            assert_eq!(Refusal::from_parts(refusal.reason(), refusal.fact().as_deref()), Some(refusal));
        }
        assert_eq!(Refusal::from_parts("insufficient_funds", None), None);
        assert_eq!(Refusal::from_parts("out_of_luck", None), None);
    }
}
