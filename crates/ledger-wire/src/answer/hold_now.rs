//! What has become of a hold, for whoever reads the withdrawal request that placed it: the request's own line says what
//! was held right after it, for ever.

use ledger::{AccountId, HoldEnd, Position, TransactionId};
use serde::{Deserialize, Serialize};

use super::rfc3339;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldNow {
    /// With what it still holds, in minor units.
    Open {
        remaining: i64,
    },
    Over(HoldEnd),
    /// It is over, and a later line of the account's book, which names it, says how.
    Ended,
}

/// [`HoldNow`] as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldNowBody {
    /// `open`, `captured`, `released`, `expired`; `ended` where a later line of the book has to tell how.
    pub status: String,
    /// What it still holds.
    pub remaining: i64,
    /// The transaction that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When it expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired_at: Option<String>,
}

impl HoldNowBody {
    pub fn new(now: HoldNow, account: &AccountId) -> Self {
        let id_of = |position: Position| TransactionId { account: account.clone(), position }.to_string();
        let (status, remaining, by, expired_at) = match now {
            HoldNow::Open { remaining } => ("open", remaining, None, None),
            HoldNow::Over(HoldEnd::Captured { by }) => ("captured", 0, Some(id_of(by)), None),
            HoldNow::Over(HoldEnd::Released { by }) => ("released", 0, Some(id_of(by)), None),
            HoldNow::Over(HoldEnd::Expired { at }) => ("expired", 0, None, Some(rfc3339(at))),
            HoldNow::Ended => ("ended", 0, None, None),
        };
        Self { status: status.to_owned(), remaining, by, expired_at }
    }
}
