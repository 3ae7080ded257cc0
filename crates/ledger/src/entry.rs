use crate::account_id::AccountId;
use crate::command::{Command, Reference};
use crate::hold::{ExpiredHold, HoldEnd};
use crate::line::Line;
use crate::position::{Position, TransactionId};
use crate::timestamp::Timestamp;

/// One line in an account's book: what a command did, or why it did nothing, with the balances after it.
///
/// All but `settled_at` follows from the log, and stands in the chain of digests. Who asked for it (the principal) and the
/// other side of a transfer get fields of their own here and fields of their own in the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub position: Position,
    /// Counts the account's entries from 1 on; 0 for an outcome that left no entry, since there is no account.
    pub sequence: u64,
    /// The command's own time, or that of a later one before it in the log: it never runs backwards in a partition.
    pub recorded_at: Timestamp,
    /// By the clock of whoever settled; decides nothing.
    pub settled_at: Timestamp,
    pub reference: Option<Reference>,
    /// The holds that had expired when the command came, which gave their money back before anything else.
    pub expired: Vec<ExpiredHold>,
    pub line: Line,
    pub after: Balances,
}

/// An account's books after an entry, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balances {
    pub balance: i64,
    pub held: i64,
    pub available: i64,
}

impl Entry {
    /// The holds that ended with this entry, and how.
    pub fn ended_holds(&self) -> impl Iterator<Item = (Position, HoldEnd)> + '_ {
        let expired = self.expired.iter().map(|hold| (hold.request, HoldEnd::from(*hold)));
        expired.chain(self.line.ended_hold(self.position))
    }

    /// Whether this is what became of the command: at its position, with what it asked for.
    pub fn is_of(&self, command: &Command) -> bool {
        self.position == command.position
            && self.reference == command.reference
            && self.recorded_at >= command.recorded_at
            && self.line.asked() == command.action
    }
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

    /// Whether this is what became of the command.
    pub fn is_of(&self, command: &Command) -> bool {
        self.account == command.account && self.entry.is_of(command)
    }
}
