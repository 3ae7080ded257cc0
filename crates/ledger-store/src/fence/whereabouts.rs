//! Where the position of a transaction is: passed by its partition's fence, to come, or nowhere.

use std::num::NonZeroU16;

use ledger::{Generation, Offset, TransactionId, partition_of};

/// As much of a fence as tells where a position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) generation: Generation,
    pub(crate) next_offset: Offset,
    /// How many partitions the generation has, where that is known.
    pub(crate) partitions: Option<NonZeroU16>,
}

/// Where the position of a transaction is, as seen from its partition's fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// The fence has left it behind, settled or not: with the next generation, what was not settled of this one never will
    /// be.
    Passed,
    ToCome,
    /// No generation so high has begun, there is none so low, or commands of the account stand in another partition.
    Impossible,
    NoFence,
}

pub(crate) fn whereabouts(fence: Option<Reached>, id: &TransactionId) -> Whereabouts {
    let TransactionId { account, position } = id;
    let Some(Reached { generation, next_offset, partitions }) = fence else { return Whereabouts::NoFence };
    let is_misplaced = || partitions.is_some_and(|count| partition_of(account.group(), count) != position.partition());
    match position.generation() {
        0 => Whereabouts::Impossible,
        its if its > generation => Whereabouts::Impossible,
        its if its == generation && position.offset() >= next_offset => {
            if is_misplaced() {
                Whereabouts::Impossible
            } else {
                Whereabouts::ToCome
            }
        }
        _ => Whereabouts::Passed,
    }
}
