//! Outcomes that were applied and perhaps never published: an execution environment ended in between, and the event source
//! gave the batch up or never delivered it again.
//!
//! The fence says from where on ([`ledger_store::Report::unpublished`]). Each delivery of the partition reads such commands
//! from the log, has the store read back what became of them, publishes that, and notes it in the fence. It does so when its
//! own outcomes are published, those of all its partitions, in at most [`PATIENCE`], one reading of [`AT_ONCE`] after the other
//! (and 16 MB each at most); what is left over follows with the next delivery. So nothing waits for it but
//! the answer of the delivery. Where it fails, it is tried again after [`AGAIN_AFTER_MS`]. A partition that cannot be settled
//! any further at all is not caught up with either, until somebody has mended that.
//!
//! Commands that the log no longer has cannot be told from their outcomes in the books. That is said once, as an error with
//! their offsets and in the metrics, and the fence steps over them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ledger::{COMMANDS, Generation, Offset, Partition, Timestamp};
use ledger_log::{CommandReader, OutcomeLog, StretchError};
use ledger_store::{Report, Settling};
use tokio::time::{Instant, timeout_at};

use super::{Failure, Settler};
use crate::deadline::Deadlines;
use crate::event::PartitionName;
use crate::faults::Faults;
use crate::partition::read_stretch;

/// The longest a delivery takes for it, all its partitions together.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// So many offsets are read at once: few enough that reading them, finding what became of them and publishing that fits into
/// the time also where the stores are slow.
const AT_ONCE: Offset = 2_000;
const AGAIN_AFTER_MS: u64 = 30_000;

/// What is known of partitions whose missed outcomes could not be published.
#[derive(Debug, Default)]
pub(super) struct Missed {
    faults: Faults,
    tried_at: Mutex<HashMap<Partition, Timestamp>>,
}

/// What became of the outcomes that were missed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct CaughtUp {
    /// All outcomes before it are published or lost.
    pub(super) to: Offset,
    /// How many commands are gone from the log before their outcomes were published.
    pub(super) lost: u64,
}

#[derive(Debug, thiserror::Error)]
enum NotCaughtUp {
    #[error(transparent)]
    Unread(#[from] StretchError),
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error("out of time")]
    OutOfTime,
}

impl NotCaughtUp {
    const fn is_final(&self) -> bool {
        match self {
            Self::Unread(error) => !error.retry_helps(),
            Self::Failed(failure) => failure.is_final(),
            Self::OutOfTime => false,
        }
    }
}

impl Missed {
    fn is_to_be_tried(&self, partition: Partition, now: Timestamp) -> bool {
        let tried_at = self.tried_at.lock().unwrap_or_else(PoisonError::into_inner);
        // Either way: a clock that was set back must not keep it waiting.
        let is_over = |at: &Timestamp| now.epoch_ms().abs_diff(at.epoch_ms()) >= AGAIN_AFTER_MS;
        tried_at.get(&partition).is_none_or(is_over)
    }

    fn failed(&self, partition: Partition, now: Timestamp) {
        self.tried_at.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, now);
    }

    fn went_well(&self, partition: Partition) {
        self.tried_at.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition);
        self.faults.forget(partition);
    }
}

impl<S: Settling, O: OutcomeLog, L: CommandReader> Settler<S, O, L> {
    /// Publishes outcomes that may not be, as many as go.
    pub(super) async fn catch_up(
        &self,
        name: &PartitionName,
        generation: Generation,
        missed: Range<Offset>,
        now: Timestamp,
        until: Instant,
        deadlines: Deadlines,
    ) -> CaughtUp {
        let nothing = CaughtUp { to: missed.start, lost: 0 };
        // Samples stand in no log.
        if name.topic != COMMANDS {
            return CaughtUp { to: missed.end, lost: 0 };
        }
        if !self.missed.is_to_be_tried(name.partition, now) {
            return nothing;
        }
        let mut to = missed.start;
        let result = timeout_at(until, self.publish_missed(name, missed.end, now, until, &mut to)).await;
        let caught_up = match result.unwrap_or(Err(NotCaughtUp::OutOfTime)) {
            Ok(()) => CaughtUp { to, lost: 0 },
            // Some of it is done; the next delivery goes on from there, and meets what went wrong again if it lasts.
            Err(_) if to > missed.start => CaughtUp { to, lost: 0 },
            Err(NotCaughtUp::Unread(StretchError::Lost { start, .. })) => {
                let lost = missed.start..start.min(missed.end);
                log_lost(name, &lost);
                CaughtUp { to: lost.end, lost: lost.end - lost.start }
            }
            Err(failure) => {
                self.missed.failed(name.partition, now);
                self.log_missed(name, &missed, &failure, now);
                return nothing;
            }
        };
        self.missed.went_well(name.partition);
        if caught_up.to < missed.end {
            self.mark_published(&[name.published(generation, caught_up.to)], deadlines).await;
        }
        caught_up
    }

    /// Publishes from `to` on up to `end`, reading by reading; `to` follows.
    async fn publish_missed(
        &self,
        name: &PartitionName,
        end: Offset,
        now: Timestamp,
        until: Instant,
        to: &mut Offset,
    ) -> Result<(), NotCaughtUp> {
        let _turn = self.looking.lock().await;
        while *to < end {
            // A third of what is left for each step, so that whatever is found is published.
            let third = until.saturating_duration_since(Instant::now()) / 3;
            let stretch = self.log.read(name.partition, *to..end.min(*to + AT_ONCE), until - 2 * third).await?;
            let (read_to, (batch, traces)) = (stretch.end, read_stretch(name, stretch));
            let Report { outcomes, failure, .. } = self.store.apply(batch, now, until - third).await;
            self.publish(name, &outcomes, traces, until).await?;
            let (topic, partition, offset, records) = (&name.topic, name.partition, *to, outcomes.len());
            if let Some(failure) = failure {
                *to = outcomes.last().map_or(*to, |last| last.position.offset() + 1);
                return Err(Failure::from(failure).into());
            }
            tracing::info!(topic, partition, offset, records, "published outcomes of an earlier delivery");
            *to = read_to;
        }
        Ok(())
    }

    fn log_missed(&self, name: &PartitionName, missed: &Range<Offset>, failure: &NotCaughtUp, now: Timestamp) {
        let PartitionName { topic, partition } = name;
        let (offset, records) = (missed.start, missed.end - missed.start);
        if self.missed.faults.wakes(*partition, &failure.to_string(), failure.is_final(), now) {
            tracing::error!(topic, partition, offset, records, "settled outcomes cannot be published: {failure}");
        } else {
            tracing::warn!(topic, partition, offset, records, "settled outcomes are not published yet: {failure}");
        }
    }
}

fn log_lost(name: &PartitionName, lost: &Range<Offset>) {
    tracing::error!(
        topic = name.topic,
        partition = name.partition,
        offset = lost.start,
        records = lost.end - lost.start,
        "these commands are settled, and gone from the log before their outcomes were known to be published: consumers of \
         {} may never see them; the books have them (GET /accounts/ID/transactions)",
        ledger_log::OUTCOMES
    );
}
