//! Where a command stands in the log, and the transaction id made of it.
//!
//! A position is written as 16 lower-case characters of Crockford's base 32 (<https://www.crockford.com/base32.html>):
//! 16 bits of generation, 16 of partition, 48 of offset. Text order is log order within a partition, and the width
//! never changes, so answers that carry an id are equally long. Only the canonical form is read back.

use std::fmt;
use std::str::FromStr;

use crate::account_id::AccountId;

/// The topic of the log in which positions stand.
pub const COMMANDS: &str = "passbook.commands";
/// What sample events are of, which are replayed by hand. No broker has such a topic; its partitions are 60001 and up, so
/// that its positions meet no others.
pub const SAMPLES: &str = "passbook.samples";

/// Counts how often the command topic was created anew; starts at 1.
pub type Generation = u16;
/// A partition of the command topic.
pub type Partition = u16;
/// An offset in a partition: below 2^48.
pub type Offset = u64;

const OFFSET_BITS: u32 = 48;
const PARTITION_BITS: u32 = 16;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Where a command stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    generation: Generation,
    partition: Partition,
    offset: Offset,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a position is 16 lower-case characters of Crockford's base 32")]
pub struct InvalidPosition;

impl Position {
    /// The text's width in characters.
    pub const WIDTH: usize = 16;
    /// The first offset that cannot be written.
    pub const OFFSET_END: Offset = 1 << OFFSET_BITS;

    /// # Errors
    /// When the offset is 2^48 or more: at a million records a second, nine years of one partition.
    pub fn new(generation: Generation, partition: Partition, offset: Offset) -> Result<Self, InvalidPosition> {
        if offset < Self::OFFSET_END { Ok(Self { generation, partition, offset }) } else { Err(InvalidPosition) }
    }

    pub const fn generation(self) -> Generation {
        self.generation
    }

    pub const fn partition(self) -> Partition {
        self.partition
    }

    pub const fn offset(self) -> Offset {
        self.offset
    }

    const fn bits(self) -> u128 {
        (self.generation as u128) << (PARTITION_BITS + OFFSET_BITS)
            | (self.partition as u128) << OFFSET_BITS
            | self.offset as u128
    }

    /// The position's 80 bits, most significant first.
    pub fn to_bytes(self) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&self.bits().to_be_bytes()[6..]);
        bytes
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.bits();
        let mut text = [0u8; Self::WIDTH];
        for (place, character) in text.iter_mut().rev().enumerate() {
            *character = ALPHABET[(bits >> (5 * place)) as usize & 31];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != Self::WIDTH {
            return Err(InvalidPosition);
        }
        let mut bits = 0u128;
        for byte in text.bytes() {
            let digit = ALPHABET.iter().position(|character| *character == byte).ok_or(InvalidPosition)?;
            bits = bits << 5 | digit as u128;
        }
        let generation = (bits >> (PARTITION_BITS + OFFSET_BITS)) as u16;
        let partition = (bits >> OFFSET_BITS) as u16;
        Self::new(generation, partition, bits as u64 & (Self::OFFSET_END - 1))
    }
}

/// The id of a transaction: `<account>.<position>`, durable the moment a client sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId {
    pub account: AccountId,
    pub position: Position,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a transaction id is an account id, a dot and 16 lower-case characters, as an answer to POST /transaction gives it"
)]
pub struct InvalidTransactionId;

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.account, self.position)
    }
}

impl FromStr for TransactionId {
    type Err = InvalidTransactionId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (account, position) = text.rsplit_once('.').ok_or(InvalidTransactionId)?;
        Ok(Self {
            account: account.parse().map_err(|_| InvalidTransactionId)?,
            position: position.parse().map_err(|_| InvalidTransactionId)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn positions_are_written_in_crockford_base_32() {
        let first = Position::new(1, 0, 0).unwrap();
        assert_eq!(first.to_string(), "000g000000000000");
        let last = Position::new(u16::MAX, u16::MAX, Position::OFFSET_END - 1).unwrap();
        assert_eq!(last.to_string(), "zzzzzzzzzzzzzzzz");
        assert_eq!(Position::new(1, 0, Position::OFFSET_END), Err(InvalidPosition));
    }

    #[test]
    fn only_canonical_text_is_a_transaction_id() {
        assert_eq!("alice.000g000000000007".parse::<TransactionId>().unwrap().position.offset(), 7);
        for bad in [
            "",
            "alice",
            "alice.",
            ".000g000000000007",
            "alice.000G000000000007",
            "alice.00",
            "al ice.000g000000000007",
        ] {
            assert_eq!(bad.parse::<TransactionId>(), Err(InvalidTransactionId), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn text_reads_back_and_sorts_as_the_log(a: (u16, u16, u64), b: (u16, u16, u64)) {
            let position = |(generation, partition, offset): (u16, u16, u64)| {
                Position::new(generation, partition, offset % Position::OFFSET_END).unwrap()
            };
            let (a, b) = (position(a), position(b));
            prop_assert_eq!(a.to_string().parse::<Position>().unwrap(), a);
            prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
        }
    }
}
