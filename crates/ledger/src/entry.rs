use sha2::{Digest as _, Sha256};

use crate::account_id::AccountId;
use crate::command::{Kind, Reference};
use crate::money::Money;
use crate::position::{Position, TransactionId};
use crate::refusal::Refusal;
use crate::timestamp::Timestamp;

/// SHA-256 over an entry and the digest of the entry before it; all zeros before the first.
pub type Digest = [u8; 32];

/// One line in an account's book: a posted leg, or a refused or replayed command, with the balance after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub position: Position,
    /// Counts the account's entries from 1 on; 0 for an outcome that left no entry, since there is no account.
    pub sequence: u64,
    pub kind: Kind,
    pub status: EntryStatus,
    /// The money the command named; for a posted release, what it gave back.
    pub money: Option<Money>,
    /// The hold that the command was about.
    pub request: Option<Position>,
    /// What remains of the hold this entry placed, captured or released; 0 says that the hold ended here.
    pub remaining: Option<i64>,
    /// When the hold that this entry placed expires.
    pub expires_at: Option<Timestamp>,
    pub reference: Option<Reference>,
    /// The account's books after this entry, in minor units.
    pub balance: i64,
    pub held: i64,
    pub available: i64,
    pub recorded_at: Timestamp,
    pub settled_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryStatus {
    Posted,
    Refused(Refusal),
    /// The same idempotency key and the same body as the command at `original`, whose outcome stands.
    Replayed {
        original: Position,
    },
}

impl EntryStatus {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Posted => "posted",
            Self::Refused(_) => "refused",
            Self::Replayed { .. } => "replayed",
        }
    }
}

impl Entry {
    /// By how much this entry moved the balance.
    pub fn balance_change(&self) -> i64 {
        match (self.status, self.kind, self.money) {
            (EntryStatus::Posted, Kind::Deposit, Some(money)) => money.amount.minor_units(),
            (EntryStatus::Posted, Kind::Withdrawal, Some(money)) => -money.amount.minor_units(),
            _ => 0,
        }
    }

    /// The next link of the account's chain of digests. Every field goes in; what varies in length goes in with its length.
    pub fn digest(&self, previous: &Digest) -> Digest {
        let mut hash = Sha256::new();
        hash.update(previous);
        hash.update(self.position.to_bytes());
        hash.update(self.sequence.to_be_bytes());
        for text in [self.kind.name(), self.status.name(), self.status_fact().as_str()] {
            hash_text(&mut hash, text);
        }
        hash_text(&mut hash, self.money.map_or("", |money| money.currency.code()));
        hash.update(self.money.map_or(0, |money| money.amount.minor_units()).to_be_bytes());
        for number in [self.balance, self.held, self.available, self.recorded_at.epoch_ms(), self.settled_at.epoch_ms()]
        {
            hash.update(number.to_be_bytes());
        }
        // A position of zeros, -1 and -1 stand for "none": no hold has them.
        hash.update(self.request.map_or([0; 10], Position::to_bytes));
        hash.update(self.remaining.unwrap_or(-1).to_be_bytes());
        hash.update(self.expires_at.map_or(-1, Timestamp::epoch_ms).to_be_bytes());
        hash_text(&mut hash, self.reference.as_ref().map_or("", Reference::as_str));
        hash.finalize().into()
    }

    fn status_fact(&self) -> String {
        match self.status {
            EntryStatus::Posted => String::new(),
            EntryStatus::Refused(refusal) => format!("{} {}", refusal.reason(), refusal.fact().unwrap_or_default()),
            EntryStatus::Replayed { original } => original.to_string(),
        }
    }
}

fn hash_text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u32).to_be_bytes());
    hash.update(text.as_bytes());
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub account: AccountId,
    pub entry: Entry,
}

impl Outcome {
    pub fn id(&self) -> TransactionId {
        TransactionId { account: self.account.clone(), position: self.entry.position }
    }

    /// Whether the outcome stands in an account's book; one for an account that does not exist stands in none.
    pub const fn is_booked(&self) -> bool {
        self.entry.sequence > 0
    }
}
