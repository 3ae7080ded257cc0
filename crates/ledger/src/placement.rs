//! Where an account's commands stand: in one partition of the log, for as long as its generation lasts.
//!
//! The partition is a pure function of the account's placement group and of the number of partitions that the generation
//! began with, so everybody comes to the same without asking: whoever appends, settles or looks up a command. It is what
//! the default partitioner of Kafka's clients does with the group as a record's key: murmur2 of its bytes with the sign bit
//! cleared, modulo the count (`Utils.murmur2` and `Utils.toPositive` of Apache Kafka).
//!
//! The count is the generation's, not the topic's. Partitions that are added to the topic later stay empty until the next
//! generation begins: otherwise an account's next command would stand in another partition than those before it, which is
//! settled with another clock and in no order with them.

use std::num::NonZeroU16;

use crate::account_id::AccountId;
use crate::position::{Generation, Partition};

/// A generation of the log, with the number of partitions that it began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Placement {
    pub generation: Generation,
    pub partitions: NonZeroU16,
}

impl Placement {
    /// The partition in which an account's commands stand.
    pub fn partition_of(self, account: &AccountId) -> Partition {
        partition_of(account.group(), self.partitions)
    }
}

/// The partition of a placement group, of so many.
pub fn partition_of(group: &str, partitions: NonZeroU16) -> Partition {
    let positive = murmur2(group.as_bytes()) & 0x7fff_ffff;
    (positive % u32::from(partitions.get())) as Partition
}

/// MurmurHash2 of 32 bits with the seed of Kafka's clients (<https://github.com/aappleby/smhasher>, `MurmurHash2.cpp`).
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const MIX: u32 = 0x5bd1_e995;
    let mixed = |word: u32| {
        let word = word.wrapping_mul(MIX);
        (word ^ (word >> 24)).wrapping_mul(MIX)
    };
    let words = bytes.chunks_exact(4);
    let rest = words.remainder();
    let start = SEED ^ bytes.len() as u32;
    let mut hash = words
        .map(|word| word.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)))
        .fold(start, |hash, word| hash.wrapping_mul(MIX) ^ mixed(word));
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        hash = hash.wrapping_mul(MIX);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the tests of Apache Kafka have it (`UtilsTest.testMurmur2`).
    #[test]
    fn murmur2_is_that_of_kafka() {
        for (text, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ] {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
        assert_eq!(murmur2(b"abc") as i32, 479_470_107);
    }

    #[test]
    fn accounts_of_one_group_stand_in_one_partition() {
        let placement = Placement { generation: 1, partitions: NonZeroU16::new(8).unwrap() };
        let partition = |id: &str| placement.partition_of(&id.parse().unwrap());
        assert_eq!(partition("acme~main"), partition("acme~fees"));
        assert_eq!(partition("acme~main"), partition("acme"));
        let spread: std::collections::BTreeSet<_> = (0..100).map(|n| partition(&format!("a{n}"))).collect();
        assert_eq!(spread.len(), 8);
    }

    proptest! {
        #[test]
        fn a_partition_is_one_of_those_there_are(group: String, partitions in 1..=u16::MAX) {
            let partitions = NonZeroU16::new(partitions).unwrap();
            prop_assert!(partition_of(&group, partitions) < partitions.get());
        }
    }
}
