//! A poller as a member of its group: partitions it takes and gives back, positions it commits. When the group is answered
//! is [`super::Handover`]'s decision, what is committed is [`super::Checkpoint`]'s.
//!
//! Bounds: one commit under way at a time, on a thread of its own, since only a commit that is waited for says how it ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;

use super::{Committing, Poller, Step};
use crate::event_source::context::{self, Asked};
use crate::event_source::handover::Answer;
use crate::event_source::positions;
use crate::event_source::record::Partition;
use crate::event_source::stop::Stop;
use crate::template::StartingPosition;

/// Between two searches for where partitions begin, and after a commit that failed.
const AGAIN: Duration = Duration::from_secs(1);

impl Poller {
    pub(super) fn note(&mut self, asked: Asked) {
        match asked {
            Asked::ToTake(partitions) => {
                let offer = self.handover.offered();
                let since_ms = match self.setup.starting_position {
                    // Nothing is skipped, whoever owns the partitions next: that needs no writing down.
                    StartingPosition::TrimHorizon => return self.located(offer, partitions, &[]),
                    StartingPosition::Latest => None,
                    StartingPosition::AtTimestamp(ms) => Some(ms),
                };
                let located = self.locate(offer, partitions, since_ms);
                self.steps.push(Box::pin(located));
            }
            Asked::ToGiveBack { partitions, lost } => {
                tracing::info!(topic = self.setup.topic, ?partitions, lost, "revoked");
                for partition in &partitions {
                    self.queues.remove(partition);
                    self.batcher.revoke(*partition);
                }
                self.handover.recalled(partitions, Instant::now() + self.setup.recall_patience);
                if lost {
                    self.handover.given_up();
                }
            }
        }
    }

    /// Finds out where offered partitions begin, however long the brokers are away.
    fn locate(
        &self,
        offer: u64,
        partitions: Vec<Partition>,
        since_ms: Option<i64>,
    ) -> impl Future<Output = Step> + Send + 'static {
        let (positions, topic) = (Arc::clone(&self.setup.positions), self.setup.topic.clone());
        let mut stop = self.setup.stop.clone();
        async move {
            loop {
                match positions.beginnings(&topic, &partitions, since_ms).await {
                    Ok(beginnings) => return Step::Located(offer, partitions, beginnings),
                    Err(error) => tracing::warn!(topic, %error, "cannot find out yet where partitions begin"),
                }
                if tokio::time::timeout(AGAIN, stop.comes_to(Stop::Finish)).await.is_ok() {
                    return Step::NotLocated;
                }
            }
        }
    }

    pub(super) fn located(&mut self, offer: u64, partitions: Vec<Partition>, beginnings: &[(Partition, i64)]) {
        if self.handover.located(offer, partitions) {
            for (partition, next) in beginnings {
                self.checkpoint.begins(*partition, *next);
            }
        }
    }

    /// Answers what the group waits for, when the answer is due.
    pub(super) fn answer(&mut self, now: Instant) {
        let Some(answer) = self.handover.answer(&self.batcher, &self.checkpoint, now) else { return };
        let (consumer, topic) = (Arc::clone(&self.setup.consumer), self.setup.topic.clone());
        let answered = match answer {
            Answer::Decline(partitions) => {
                // Whoever gets them decides where they begin.
                partitions.iter().for_each(|partition| self.checkpoint.revoke(*partition));
                context::take(&consumer, &TopicPartitionList::new())
            }
            Answer::Take(partitions) => {
                let taken = context::take(&consumer, &positions::list(&topic, &partitions));
                if taken.is_ok() {
                    tracing::info!(topic, ?partitions, "assigned");
                    partitions.into_iter().for_each(|partition| self.assign(partition));
                    self.setup.progress.joined();
                }
                taken
            }
            Answer::GiveBack(partitions) => {
                for partition in &partitions {
                    if self.batcher.is_invoked(*partition) {
                        tracing::warn!(
                            topic,
                            partition,
                            "given back with a batch in flight: it will be delivered again"
                        );
                    }
                    self.checkpoint.revoke(*partition);
                    self.setup.progress.revoked(*partition);
                }
                context::give_back(&consumer, &positions::list(&topic, &partitions))
            }
        };
        if let Err(error) = answered {
            consumer.context().log_limited("rebalance", &error.to_string());
        }
    }

    /// Its records come to a queue of its own.
    fn assign(&mut self, partition: Partition) {
        let Some(mut queue) = self.setup.consumer.split_partition_queue(&self.setup.topic, partition) else {
            return self.setup.consumer.context().log_limited("queue", "a partition has no queue");
        };
        let wake = Arc::clone(&self.wake);
        queue.set_nonempty_callback(move || wake.notify_one());
        self.queues.insert(partition, queue);
        let epoch = self.batcher.assign(partition);
        self.checkpoint.assign(partition, epoch);
        self.setup.progress.assigned(partition);
    }

    pub(super) fn commit(&mut self, now: Instant) {
        if self.committing.is_some() || self.commit_not_before.is_some_and(|at| now < at) {
            return;
        }
        self.commit_not_before = None;
        if let Some(positions) = self.unsent() {
            let consumer = Arc::clone(&self.setup.consumer);
            let commit = tokio::task::spawn_blocking(move || consumer.commit(&positions, CommitMode::Sync));
            self.committing = Some(Committing { asked: self.handover.last_question(), commit });
        }
    }

    /// What is to be committed, if there is anything. It counts as sent.
    pub(super) fn unsent(&mut self) -> Option<TopicPartitionList> {
        let mut positions = TopicPartitionList::new();
        for (partition, next) in self.checkpoint.take() {
            // Refused only for a negative offset, and none is.
            let _ = positions.add_partition_offset(&self.setup.topic, partition, Offset::Offset(next));
        }
        (positions.count() > 0).then_some(positions)
    }

    pub(super) fn committed(&mut self, outcome: KafkaResult<()>) {
        let asked = self.committing.take().map_or(self.handover.last_question(), |committing| committing.asked);
        let Err(error) = outcome else { return self.checkpoint.committed() };
        let line = format!("a commit failed and will be sent again: {error}");
        self.setup.consumer.context().log_limited("commit", &line);
        self.checkpoint.failed();
        self.commit_not_before = Some(Instant::now() + AGAIN);
        if is_out_of_the_group(&error) {
            self.handover.left_behind(asked);
        }
    }
}

/// Whether the group has gone on without this member. librdkafka joins anew, as soon as it has its answer.
fn is_out_of_the_group(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{FencedInstanceId, IllegalGeneration, UnknownMemberId};
    matches!(error.rdkafka_error_code(), Some(FencedInstanceId | IllegalGeneration | UnknownMemberId))
}
