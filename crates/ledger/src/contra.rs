//! The other side of deposits and withdrawals.

use std::fmt;
use std::str::FromStr;

use crate::money::Currency;
use crate::position::Partition;

/// What came in and went out through one partition in one currency, so that no two settlers contend for it.
///
/// Its balance has 128 bits, so it takes any posting that its account takes: all offsets of all generations of a
/// partition, each with the largest amount, stay below 2^117.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContraAccount {
    pub id: ContraId,
    /// Minor units; below zero by what came in through this partition and has not gone out through it.
    pub balance: i128,
    /// Postings ever made.
    pub postings: u64,
}

impl ContraAccount {
    pub const fn open(id: ContraId) -> Self {
        Self { id, balance: 0, postings: 0 }
    }

    /// Takes the other side of a posting that changed an account's balance by `change`.
    pub(crate) fn post_against(&mut self, change: i64) {
        self.balance -= i128::from(change);
        self.postings += 1;
    }
}

/// `@world.<currency>.<partition>`: no customer's account id starts with '@'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContraId {
    pub currency: Currency,
    pub partition: Partition,
}

impl fmt::Display for ContraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@world.{}.{}", self.currency, self.partition)
    }
}

/// Text that does not name a contra account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a contra account's id is @world.<currency>.<partition>")]
pub struct InvalidContraId;

impl FromStr for ContraId {
    type Err = InvalidContraId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.strip_prefix("@world.").and_then(|rest| rest.split_once('.'));
        let read = |(currency, partition): (&str, &str)| {
            Some(Self { currency: currency.parse().ok()?, partition: partition.parse().ok()? })
        };
        parts.and_then(read).ok_or(InvalidContraId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contra_ids_read_back_and_nothing_else_does() {
        let id = ContraId { currency: "EUR".parse().unwrap(), partition: 3 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in
            ["", "alice", "@world", "@world.EUR", "@world.EUX.3", "@world.EUR.", "@world.EUR.65536", "world.EUR.3"]
        {
            assert_eq!(bad.parse::<ContraId>(), Err(InvalidContraId), "{bad:?}");
        }
    }
}
