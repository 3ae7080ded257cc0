use std::time::Duration;

use ledger::{COMMANDS, Generation, Offset, Partition};

/// How far the broker's clock may be ahead of this machine's. A record of a time to come would expire the holds and keys of
/// its partition, for good: the partition waits until the clock is there.
pub(super) const CLOCKS_DIFFER: Duration = Duration::from_secs(5 * 60);

/// Why a record does not continue what has been applied: its partition stands still until somebody has looked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FenceFault {
    #[error(
        "the books belong to the topic {COMMANDS}, not to {found}: point the event source at {COMMANDS}, or `settler` at books of their own"
    )]
    OtherTopic { found: String },
    #[error(
        "nothing of the partition has been applied, yet the batch starts at offset {found}: what stands before it would be skipped"
    )]
    StartsLate { found: Offset },
    #[error(
        "the batch starts at offset {found}, the next to apply is {expected}: what stands between would be skipped"
    )]
    Gap { expected: Offset, found: Offset },
    #[error("offset {found} follows offset {after} in the batch")]
    NotConsecutive { after: Offset, found: Offset },
    #[error(
        "a record of generation {found}, while the partition is at generation {expected}: the books are older than the log; point `settler` at the books of this log, or begin anew: stop `api` and the event source, `passbook topics delete`, `passbook topics create`, and start them again"
    )]
    NewerGeneration { expected: Generation, found: Generation },
    #[error(
        "the record at offset {offset} is from before generation {generation} of the log began: the event source still holds records of a deleted log; restart it (of Lambda's: disable the event source mapping and enable it again)"
    )]
    DeletedLog { generation: Generation, offset: Offset },
    #[error(
        "offset {offset} was applied before, yet the record there is not the one that was applied: the topic was created anew; stop `api` and the event source, `passbook topics delete`, `passbook topics create`, and start them again; what is in this topic is lost"
    )]
    Recreated { offset: Offset },
    #[error("a record of partition {found} in a batch of another partition")]
    OtherPartition { found: Partition },
    #[error("offset {found} is past the last that a transaction id can name")]
    OffsetTooLarge { found: Offset },
    #[error(
        "the record at offset {offset} is {ahead_ms} ms ahead of this machine's clock, more than {} s: the partition waits until the clock is there; set the clock of the broker or of this machine right",
        CLOCKS_DIFFER.as_secs()
    )]
    AheadOfClock { offset: Offset, ahead_ms: i64 },
    #[error(
        "the time of the record at offset {offset} is its writer's, not the broker's, and would decide what expires: set message.timestamp.type=LogAppendTime on {COMMANDS} (`passbook topics create --if-missing` says how), or, where the broker knows no such setting, ACCEPT_WRITERS_TIME=true for `settler`"
    )]
    WritersTime { offset: Offset },
}

impl FenceFault {
    /// Whether the partition goes on by itself later.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::AheadOfClock { .. })
    }
}
