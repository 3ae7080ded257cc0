//! What clients read of transactions and accounts, and what `passbook.outcomes` carries. Amounts are minor units.

mod detail;
mod hold_now;

use jiff::Timestamp as Instant;
use ledger::{Account, AccountId, Line, Money, Outcome, Position, Timestamp, TransactionId};
use serde::{Deserialize, Serialize};

use self::detail::detail;
pub use self::hold_now::{HoldNow, HoldNowBody};
use crate::reason::cut;

/// The answer to an accepted command, or to a question about one that is still in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedBody {
    pub id: String,
    pub status: String,
}

impl AcceptedBody {
    pub fn new(id: &TransactionId) -> Self {
        Self { id: id.to_string(), status: "accepted".to_owned() }
    }
}

/// What became of a command. Balances are as they were right after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeBody {
    pub id: String,
    pub r#type: String,
    pub account: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// `posted`, `refused` or `replayed`.
    pub status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The transaction whose outcome stands for this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
    /// The withdrawal request that was captured or released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// What remained of the hold right after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<i64>,
    /// What a final capture gave back of its hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// What has become of the hold by now. Only where somebody asks for it later, and not in `passbook.outcomes`, whose
    /// records are the same whenever they are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldNowBody>,
    /// The holds that had expired when the command came: their money was available again from then on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expired: Vec<ExpiredBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<i64>,
    pub accepted_at: String,
    pub settled_at: String,
}

/// A hold that expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiredBody {
    /// The withdrawal request that placed it.
    pub request: String,
    /// What it gave back.
    pub released: i64,
    pub expired_at: String,
}

/// What a line says of a hold, beside its id.
#[derive(Default)]
struct OfHold {
    remaining: Option<i64>,
    released: Option<i64>,
    expires_at: Option<Timestamp>,
}

impl OfHold {
    fn of(line: &Line) -> Self {
        match line {
            Line::Hold { money, expires_at, .. } => {
                Self { remaining: Some(money.amount.minor_units()), released: None, expires_at: Some(*expires_at) }
            }
            Line::Capture { remaining, released, .. } => {
                let released = Some(*released).filter(|released| *released > 0);
                Self { remaining: Some(*remaining), released, expires_at: None }
            }
            Line::Release { .. } => Self { remaining: Some(0), ..Self::default() },
            Line::Deposit { .. } | Line::Withdrawal { .. } | Line::Refused { .. } | Line::Replayed { .. } => {
                Self::default()
            }
        }
    }
}

/// The money that the command named; of a release, what it gave back.
fn money_of(line: &Line) -> Option<Money> {
    match line {
        Line::Release { released, .. } => Some(*released),
        line => line.asked().money(),
    }
}

impl From<&Outcome> for OutcomeBody {
    fn from(outcome: &Outcome) -> Self {
        let entry = &outcome.entry;
        let line = &entry.line;
        let id_of = |position: Position| TransactionId { account: outcome.account.clone(), position }.to_string();
        let (refusal, original) = match line {
            Line::Refused { refusal, .. } => (Some(*refusal), None),
            Line::Replayed { original, .. } => (None, Some(id_of(*original))),
            _ => (None, None),
        };
        let expired = |hold: &ledger::ExpiredHold| ExpiredBody {
            request: id_of(hold.request),
            released: hold.released,
            expired_at: rfc3339(hold.expired_at),
        };
        let booked = |number| outcome.is_booked().then_some(number);
        let (money, hold) = (money_of(line), OfHold::of(line));
        Self {
            id: id_of(entry.position),
            r#type: line.kind().name().to_owned(),
            account: outcome.account.to_string(),
            amount: money.map(|money| money.amount.minor_units()),
            currency: money.map(|money| money.currency.code().to_owned()),
            status: line.standing().name().to_owned(),
            reason: refusal.map(|refusal| refusal.reason().to_owned()),
            detail: refusal.map(|refusal| detail(refusal, &outcome.account)),
            original,
            request: line.asked().request().map(id_of),
            remaining: hold.remaining,
            released: hold.released,
            expires_at: hold.expires_at.map(rfc3339),
            hold: None,
            expired: entry.expired.iter().map(expired).collect(),
            reference: entry.reference.as_ref().map(|reference| reference.as_str().to_owned()),
            sequence: outcome.is_booked().then_some(entry.sequence),
            balance: booked(entry.after.balance),
            held: booked(entry.after.held),
            available: booked(entry.after.available),
            accepted_at: rfc3339(entry.recorded_at),
            settled_at: rfc3339(entry.settled_at),
        }
    }
}

impl OutcomeBody {
    /// The same, with what has become of the hold that it placed.
    #[must_use]
    pub fn with_hold(self, now: HoldNow, account: &AccountId) -> Self {
        Self { hold: Some(HoldNowBody::new(now, account)), ..self }
    }
}

/// The outcome of a record that nobody could read, as `passbook.outcomes` carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableBody {
    /// Where its key names an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub position: String,
    /// Always `unreadable`.
    pub status: String,
    pub detail: String,
    pub accepted_at: String,
}

impl UnreadableBody {
    pub fn new(position: Position, why: &str, recorded_at: Timestamp) -> Self {
        Self {
            id: None,
            position: position.to_string(),
            status: "unreadable".to_owned(),
            detail: cut(why.to_owned()),
            accepted_at: rfc3339(recorded_at),
        }
    }

    /// The same, under the id that it was accepted by.
    #[must_use]
    pub fn of(mut self, id: &TransactionId) -> Self {
        self.id = Some(id.to_string());
        self
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountBody {
    pub account: String,
    pub currency: String,
    pub status: String,
    pub balance: i64,
    pub held: i64,
    pub available: i64,
    pub overdraft_limit: i64,
    pub holds: Vec<HoldBody>,
    pub sequence: u64,
    pub updated_at: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldBody {
    pub id: String,
    pub remaining: i64,
    pub expires_at: String,
}

impl AccountBody {
    pub fn new(account: &Account, updated_at: Timestamp) -> Self {
        let hold = |hold: &ledger::Hold| HoldBody {
            id: TransactionId { account: account.id.clone(), position: hold.request }.to_string(),
            remaining: hold.remaining,
            expires_at: rfc3339(hold.expires_at),
        };
        Self {
            account: account.id.to_string(),
            currency: account.currency.code().to_owned(),
            status: account.status.name().to_owned(),
            balance: account.balance,
            held: account.held,
            available: account.available(),
            overdraft_limit: account.overdraft_limit,
            holds: account.holds.iter().map(hold).collect(),
            sequence: account.sequence,
            updated_at: rfc3339(updated_at),
        }
    }
}

/// A stretch of an account's book, the newest entry first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementBody {
    pub transactions: Vec<OutcomeBody>,
    /// Goes into `cursor` for the entries before these; nothing when these were the first.
    pub next: Option<String>,
}

/// RFC 3339 in UTC with milliseconds. A time that no calendar has is said as its number of milliseconds.
pub fn rfc3339(time: Timestamp) -> String {
    Instant::from_millisecond(time.epoch_ms())
        .map_or_else(|_| time.epoch_ms().to_string(), |instant| format!("{instant:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_with_milliseconds() {
        assert_eq!(rfc3339(Timestamp::from_epoch_ms(1_700_000_000_000)), "2023-11-14T22:13:20.000Z");
        assert_eq!(rfc3339(Timestamp::from_epoch_ms(i64::MAX)), i64::MAX.to_string());
    }
}
