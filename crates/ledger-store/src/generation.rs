//! When a generation of the command topic may begin.

use ledger::{Generation, Partition};

use crate::error::GenerationError;
use crate::fence::Fence;

/// `fences` are those of the topic, of whatever generation.
pub(crate) fn check_may_begin(
    topic: &str,
    partitions: Partition,
    asked: Generation,
    fences: &[Fence],
) -> Result<(), GenerationError> {
    if partitions == 0 || asked == 0 {
        return Err(GenerationError::Nothing);
    }
    let topic = || topic.to_owned();
    if let Some(later) = fences.iter().find(|fence| fence.generation > asked) {
        return Err(GenerationError::Older { topic: topic(), asked, found: later.generation });
    }
    match fences.iter().find(|fence| fence.generation == asked && fence.next_offset > 0) {
        Some(Fence { partition, next_offset, .. }) => {
            Err(GenerationError::InUse { topic: topic(), asked, partition: *partition, next_offset: *next_offset })
        }
        None => Ok(()),
    }
}
