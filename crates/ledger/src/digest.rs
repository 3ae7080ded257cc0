//! The chain of digests that makes an account's book tamper-evident.
//!
//! The digest of an entry is SHA-256 over the version, the digest of the entry before it, and the entry's facts, each as a
//! tag (one byte), its length (four bytes) and its bytes; numbers are big-endian, texts UTF-8. A fact that an entry does not
//! have is left out, so a new kind of fact gets a new tag and leaves the digests of old entries as they are; the order is
//! that of [`Entry::digest`]. Before the first entry stands [`chain_start`], which is the account's own: entries of one
//! account make no chain in another's book.
//!
//! The digest covers only what follows from the log. When an entry was settled does not, so two folds of one log have the
//! same heads, however it was cut into batches.

use sha2::{Digest as _, Sha256};

use crate::account_id::AccountId;
use crate::command::{Action, Reference};
use crate::entry::Entry;
use crate::line::Line;
use crate::money::Money;

/// SHA-256 over an entry and the digest of the entry before it.
pub type Digest = [u8; 32];

/// Of the form that is digested.
const VERSION: u8 = 1;

/// What stands for the entry before an account's first.
pub fn chain_start(account: &AccountId) -> Digest {
    let mut facts = Facts::new();
    facts.add(Tag::Account, account.as_str().as_bytes());
    facts.digest()
}

impl Entry {
    /// The next link of the account's chain.
    pub fn digest(&self, previous: &Digest) -> Digest {
        let mut facts = Facts::new();
        facts.add(Tag::Previous, previous);
        facts.add(Tag::Position, &self.position.to_bytes());
        facts.number(Tag::Sequence, self.sequence);
        facts.number(Tag::RecordedAt, self.recorded_at.epoch_ms());
        if let Some(reference) = self.reference.as_ref().map(Reference::as_str) {
            facts.add(Tag::Reference, reference.as_bytes());
        }
        for hold in &self.expired {
            facts.add(Tag::ExpiredHold, &hold.request.to_bytes());
            facts.number(Tag::Released, hold.released);
            facts.number(Tag::ExpiresAt, hold.expired_at.epoch_ms());
        }
        facts.line(&self.line);
        facts.number(Tag::Balance, self.after.balance);
        facts.number(Tag::Held, self.after.held);
        facts.number(Tag::Available, self.after.available);
        facts.digest()
    }
}

/// What a fact is. The numbers are for good: a new fact gets the next one.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Tag {
    Account = 1,
    Previous = 2,
    Position = 3,
    Sequence = 4,
    RecordedAt = 5,
    Reference = 6,
    ExpiredHold = 7,
    Released = 8,
    ExpiresAt = 9,
    Standing = 10,
    Kind = 11,
    Amount = 12,
    Currency = 13,
    Request = 14,
    ExpiresInSeconds = 15,
    Final = 16,
    Remaining = 17,
    Reason = 18,
    ReasonFact = 19,
    Original = 20,
    Balance = 21,
    Held = 22,
    Available = 23,
}

/// The facts of one entry, one after the other.
struct Facts(Vec<u8>);

impl Facts {
    fn new() -> Self {
        let mut bytes = Vec::with_capacity(320);
        bytes.push(VERSION);
        Self(bytes)
    }

    fn add(&mut self, tag: Tag, fact: &[u8]) {
        self.0.push(tag as u8);
        // A text is at most a reference, far below 4 GB.
        self.0.extend_from_slice(&(fact.len() as u32).to_be_bytes());
        self.0.extend_from_slice(fact);
    }

    fn number(&mut self, tag: Tag, number: impl Into<i128>) {
        let number: i128 = number.into();
        self.add(tag, &number.to_be_bytes());
    }

    fn money(&mut self, money: Money) {
        self.number(Tag::Amount, money.amount.minor_units());
        self.add(Tag::Currency, money.currency.code().as_bytes());
    }

    fn asked(&mut self, asked: &Action) {
        self.add(Tag::Kind, asked.kind().name().as_bytes());
        if let Some(money) = asked.money() {
            self.money(money);
        }
        if let Some(request) = asked.request() {
            self.add(Tag::Request, &request.to_bytes());
        }
        match asked {
            Action::WithdrawalRequest { expires_in_seconds, .. } => {
                self.number(Tag::ExpiresInSeconds, *expires_in_seconds);
            }
            Action::Capture { is_final, .. } => self.add(Tag::Final, &[u8::from(*is_final)]),
            Action::Deposit(_) | Action::Withdrawal(_) | Action::Release { .. } => {}
        }
    }

    fn line(&mut self, line: &Line) {
        self.add(Tag::Standing, line.standing().name().as_bytes());
        self.asked(&line.asked());
        match line {
            Line::Deposit { .. } | Line::Withdrawal { .. } => {}
            Line::Hold { expires_at, .. } => self.number(Tag::ExpiresAt, expires_at.epoch_ms()),
            Line::Capture { remaining, released, .. } => {
                self.number(Tag::Remaining, *remaining);
                self.number(Tag::Released, *released);
            }
            Line::Release { released, .. } => self.money(*released),
            Line::Refused { refusal, .. } => {
                self.add(Tag::Reason, refusal.reason().as_bytes());
                if let Some(fact) = refusal.fact() {
                    self.add(Tag::ReasonFact, fact.as_bytes());
                }
            }
            Line::Replayed { original, .. } => self.add(Tag::Original, &original.to_bytes()),
        }
    }

    fn digest(self) -> Digest {
        Sha256::digest(self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Balances;
    use crate::money::Amount;
    use crate::position::Position;
    use crate::timestamp::Timestamp;

    fn deposit() -> Entry {
        let money = Money { amount: Amount::new(2_500).unwrap(), currency: "EUR".parse().unwrap() };
        Entry {
            position: Position::new(1, 3, 9).unwrap(),
            sequence: 1,
            recorded_at: Timestamp::from_epoch_ms(1_700_000_000_000),
            settled_at: Timestamp::from_epoch_ms(1_700_000_000_500),
            reference: Some("invoice 7".parse().unwrap()),
            expired: Vec::new(),
            line: Line::Deposit { money },
            after: Balances { balance: 2_500, held: 0, available: 2_500 },
        }
    }

    fn hex(digest: Digest) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whoever checks books with a program of their own checks it with these.
    #[test]
    fn digests_of_version_1_never_change() {
        let start = chain_start(&"alice".parse().unwrap());
        assert_eq!(hex(start), "b2623630e6d08b83fa8c247fa735ecfe22dcd04e8b55b2cc7971d77df8548053");
        assert_eq!(hex(deposit().digest(&start)), "a0470d43f1140c7d524b3c1832d424e405746bbe8d0635b80c6230436fb3cb53");
    }

    #[test]
    fn every_account_has_a_chain_of_its_own() {
        let [alice, bob] = ["alice", "bob"].map(|id| chain_start(&id.parse().unwrap()));
        assert_ne!(alice, bob);
        assert_ne!(deposit().digest(&alice), deposit().digest(&bob));
    }

    #[test]
    fn when_an_entry_was_settled_is_not_digested() {
        let later = Entry { settled_at: Timestamp::from_epoch_ms(0), ..deposit() };
        assert_eq!(later.digest(&[7; 32]), deposit().digest(&[7; 32]));
    }
}
