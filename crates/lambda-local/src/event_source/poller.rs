//! One poller: a consumer of the group, its batches in flight, and its commits. A single task owns all of it; the cores
//! ([`super::batcher`], [`super::delivery`], [`super::checkpoint`]) decide, this moves records and offsets.
//!
//! Each partition has a queue of its own, read only as far as the batcher has room: a function that fails for an hour
//! holds up its own partitions only, the others flow, and rebalances are served all the while ([`membership`]).
//!
//! It sleeps until something happens: librdkafka wakes it for records and for what the group asks, [`TURN`] is only for what
//! must not wait for ever should a wake-up be lost.
//!
//! The marks of transactions take offsets and are no records: what librdkafka has passed over at the end of a partition is
//! committed once nothing before it is left to do, or the partition would seem to lag for ever.
//!
//! Bounds: what librdkafka fetches ahead (16 MB a partition at most), one batch's worth per partition in the batcher,
//! [`batcher::IN_FLIGHT`] batches of at most 6 MB being tried, and those that wait to be tried again: one per partition
//! at most.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::Offset;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::batcher::{self, Batcher, Slice};
use super::checkpoint::Checkpoint;
use super::context::Context;
use super::delivery::{Delivery, GivenUp, Outcome, Policy, Settled};
use super::handover::Handover;
use super::invoker::{Invoked, Invoker};
use super::line::Line;
use super::message::encode;
use super::positions::Positions;
use super::progress::Progress;
use super::record::{Envelope, Partition};
use super::response;
use super::stop::{self, Stop};
use crate::clock;
use crate::template::StartingPosition;

mod membership;

/// How often the consumer is served when nothing happens.
const TURN: Duration = Duration::from_secs(5);
/// Between two looks for marks: each waits for librdkafka's main thread, and so holds up all that this thread does.
const MARKS_EVERY: Duration = Duration::from_millis(100);
/// Records taken of one partition before the others get their turn.
const GULP: usize = 500;

/// What a poller is made of.
pub(super) struct Setup {
    /// Not this poller's to end: whoever keeps it does, where waiting does no harm.
    pub(super) consumer: Arc<BaseConsumer<Context>>,
    pub(super) parts: Parts,
}

impl Deref for Setup {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// What the next one is made of, too, should it die.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) topic: String,
    pub(super) envelope: Envelope,
    pub(super) limits: batcher::Limits,
    pub(super) policy: Policy,
    pub(super) report_item_failures: bool,
    pub(super) invoker: Invoker,
    pub(super) progress: Arc<Progress>,
    pub(super) positions: Arc<Positions>,
    /// Where partitions begin that the group has no offset of.
    pub(super) starting_position: StartingPosition,
    /// How long a recall of partitions may go without an answer.
    pub(super) recall_patience: Duration,
    pub(super) stop: stop::Signal,
}

/// What comes back to the poller.
enum Step {
    /// It was found out for an offer where those of its partitions begin that the group has no offset of.
    Located(u64, Vec<Partition>, Vec<(Partition, i64)>),
    /// It was not, before the poller was asked to stop.
    NotLocated,
    /// The wait before its next try is over.
    Waited(Delivery),
    /// It was tried.
    Tried(Delivery, Outcome),
}

struct Poller {
    /// Parts of the consumer, which must not outlive it: first here, so that they are dropped first.
    queues: BTreeMap<Partition, PartitionQueue<Context>>,
    setup: Setup,
    wake: Arc<Notify>,
    batcher: Batcher,
    line: Line,
    checkpoint: Checkpoint,
    handover: Handover,
    /// Invocations, and waits for the next one.
    steps: FuturesUnordered<BoxFuture<'static, Step>>,
    /// The commit under way, and what the group had asked when it was sent.
    committing: Option<Committing>,
    /// A failed commit is sent again, but not at once.
    commit_not_before: Option<Instant>,
    /// The next look for marks.
    marks: MarksLook,
    /// Why the consumer cannot go on.
    fatal: Option<KafkaError>,
}

/// When marks are looked for.
#[derive(Debug, Default)]
struct MarksLook {
    not_before: Option<Instant>,
    /// A look that came too soon was left out; it is made up for.
    is_due: bool,
}

impl MarksLook {
    /// Whether to look now, where somebody wants to.
    fn begin(&mut self, is_wanted: bool, now: Instant) -> bool {
        let is_too_soon = self.not_before.is_some_and(|not_before| now < not_before);
        self.is_due = is_wanted && is_too_soon;
        let begins = is_wanted && !is_too_soon;
        if begins {
            self.not_before = Some(now + MARKS_EVERY);
        }
        begins
    }

    /// When to wake for a look that was left out.
    fn wake_at(&self) -> Option<Instant> {
        self.not_before.filter(|_| self.is_due)
    }
}

/// A commit, and the number of the last question that it was sent after.
struct Committing {
    asked: u64,
    commit: JoinHandle<KafkaResult<()>>,
}

/// Polls until told to stop, then waits for what is in flight and commits it.
///
/// # Errors
/// The consumer cannot go on; another one may.
pub(super) async fn run(setup: Setup) -> KafkaResult<()> {
    setup.consumer.context().attend(true);
    let now = Instant::now();
    let mut poller = Poller {
        wake: Arc::clone(&setup.consumer.context().wake),
        batcher: Batcher::new(setup.limits, now),
        setup,
        queues: BTreeMap::new(),
        line: Line::default(),
        checkpoint: Checkpoint::default(),
        handover: Handover::default(),
        steps: FuturesUnordered::new(),
        committing: None,
        commit_not_before: None,
        marks: MarksLook::default(),
        fatal: None,
    };
    let mut stop = poller.setup.stop.clone();
    while stop.now() == Stop::No {
        let more = poller.turn();
        if let Some(fatal) = poller.fatal.take() {
            return Err(fatal);
        }
        poller.wait(more, &mut stop).await;
    }
    poller.finish().await;
    Ok(())
}

impl Poller {
    /// Serves the consumer, fetches, sends off what is due, commits. Returns whether there is more to fetch at once.
    fn turn(&mut self) -> bool {
        self.serve_consumer();
        self.answer(Instant::now());
        let more = self.fetch();
        let now = Instant::now();
        self.pass_over_marks(now);
        while let Some(delivery) = self.line.next(&mut self.batcher, now) {
            self.begin(delivery);
        }
        self.commit(now);
        more
    }

    async fn wait(&mut self, more: bool, stop: &mut stop::Signal) {
        if more {
            // Others on this thread get their turn between two gulps.
            return tokio::task::yield_now().await;
        }
        let latest = Instant::now() + TURN;
        let wakes = [self.batcher.wake_at(), self.commit_not_before, self.marks.wake_at()];
        let until = wakes.into_iter().flatten().fold(latest, Instant::min);
        tokio::select! {
            Some(step) = self.steps.next() => self.go_on(step),
            outcome = end_of(&mut self.committing) => self.committed(outcome),
            () = self.wake.notified() => {}
            () = tokio::time::sleep_until(until.into()) => {}
            () = stop.comes_to(Stop::Finish) => {}
        }
    }

    /// Lets librdkafka's callbacks run, and draws the conclusions.
    fn serve_consumer(&mut self) {
        // An event may be served without a record to show for it: ask until twice there is nothing.
        let mut nothing = 0;
        while nothing < 2 {
            let consumer = Arc::clone(&self.setup.consumer);
            match consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => self.take_in(&message),
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                    self.fatal = Some(error);
                    return;
                }
                Some(Err(error)) => consumer.context().log_limited("poll", &error.to_string()),
                None => nothing += 1,
            }
            while let Some(asked) = consumer.context().next() {
                self.note(asked);
            }
        }
    }

    /// Takes records for which there is room. `true`: there may be more.
    fn fetch(&mut self) -> bool {
        let queues = std::mem::take(&mut self.queues);
        let mut more = false;
        for (partition, queue) in &queues {
            for taken in 0.. {
                if !self.batcher.has_room(*partition) {
                    break;
                }
                if taken == GULP {
                    more = true;
                    break;
                }
                match queue.poll(Duration::ZERO) {
                    Some(Ok(message)) => self.take_in(&message),
                    Some(Err(error)) => self.setup.consumer.context().log_limited("fetch", &error.to_string()),
                    None => break,
                }
            }
        }
        self.queues = queues;
        more
    }

    /// Of partitions with nothing left to do: whatever stands there was no record for the function.
    fn pass_over_marks(&mut self, now: Instant) {
        let is_wanted = self.queues.keys().any(|partition| self.batcher.is_done_with(*partition).is_some());
        if !self.marks.begin(is_wanted, now) {
            return;
        }
        let Ok(passed) = self.setup.consumer.position() else { return };
        for element in passed.elements() {
            let (partition, offset) = (element.partition(), element.offset());
            if let (Some(epoch), Offset::Offset(next)) = (self.batcher.is_done_with(partition), offset) {
                self.checkpoint.settled(Settled { partition, epoch, next, done: true });
            }
        }
    }

    fn take_in(&mut self, message: &BorrowedMessage<'_>) {
        let record = encode(message);
        let (partition, offset) = (message.partition(), record.offset);
        if !self.batcher.push(partition, record, Instant::now()) {
            tracing::error!(
                topic = self.setup.topic,
                partition,
                offset,
                "a record above 6 MB fits no event: passed over"
            );
        }
    }

    fn go_on(&mut self, step: Step) {
        match step {
            Step::Located(offer, partitions, beginnings) => self.located(offer, partitions, &beginnings),
            Step::NotLocated => {}
            Step::Waited(delivery) => self.line.join(delivery),
            Step::Tried(delivery, outcome) => {
                self.ended(&delivery);
                let verdict = delivery.conclude(&outcome, &self.setup.policy, random());
                self.book(verdict.settled, &verdict.given_up);
                if verdict.again.is_empty() {
                    self.batcher.returned(Instant::now());
                }
                for delivery in verdict.again {
                    match verdict.wait {
                        Duration::ZERO => self.line.join(delivery),
                        wait => self.steps.push(Box::pin(self.pause(delivery, wait))),
                    }
                }
            }
        }
    }

    /// Tries what is still this poller's and not too old.
    fn begin(&mut self, delivery: Delivery) {
        let rest = delivery.without_revoked(|partition, epoch| self.batcher.is_current(partition, epoch));
        let Some(delivery) = rest else { return self.batcher.returned(Instant::now()) };
        let verdict = delivery.without_expired(&self.setup.policy, epoch_ms());
        self.book(verdict.settled, &verdict.given_up);
        if verdict.again.is_empty() {
            self.batcher.returned(Instant::now());
        }
        for delivery in verdict.again {
            self.batcher.began(delivery.partitions());
            self.setup.progress.began();
            self.steps.push(Box::pin(self.attempt(delivery)));
        }
    }

    fn ended(&mut self, delivery: &Delivery) {
        self.batcher.ended(delivery.partitions());
        self.setup.progress.ended();
    }

    fn book(&mut self, settled: Vec<Settled>, given_up: &[GivenUp]) {
        for given_up in given_up {
            let GivenUp { partition, first, last, count } = given_up;
            let topic = &self.setup.topic;
            tracing::error!(
                topic,
                partition,
                first_offset = first,
                last_offset = last,
                records = count,
                "given up: failed too often or too old, and the function will not see them again"
            );
        }
        for settled in settled {
            self.checkpoint.settled(settled);
            if settled.done {
                self.batcher.release(settled.partition, settled.epoch);
            }
        }
    }

    fn pause(&self, delivery: Delivery, wait: Duration) -> impl Future<Output = Step> + Send + 'static {
        let failing = self.setup.progress.failing();
        let mut stop = self.setup.stop.clone();
        async move {
            // Once asked to stop nothing new is tried: then the wait is over, too.
            let _ = tokio::time::timeout(wait, stop.comes_to(Stop::Finish)).await;
            drop(failing);
            Step::Waited(delivery)
        }
    }

    fn attempt(&self, delivery: Delivery) -> impl Future<Output = Step> + Send + 'static {
        let slices = delivery.slices().map(|slice: &Slice| (slice.partition, slice.records.iter()));
        let event = self.setup.envelope.event(slices);
        let (invoker, topic) = (self.setup.invoker.clone(), self.setup.topic.clone());
        let reports = self.setup.report_item_failures;
        async move {
            let Some(event) = event else { return Step::Tried(delivery, Outcome::Success) };
            let outcome = match invoker.invoke(event).await {
                Invoked::Answer(body) if reports => response::outcome(&body, &topic, &delivery),
                Invoked::Answer(_) => Outcome::Success,
                Invoked::FunctionError(error) => {
                    tracing::warn!(topic, error, "the function failed a batch; it will be tried again");
                    Outcome::FunctionError
                }
                Invoked::NotReached(reason) => {
                    tracing::warn!(topic, reason, "the function was not reached; the batch will be tried again");
                    Outcome::NotReached
                }
            };
            Step::Tried(delivery, outcome)
        }
    }

    /// What runs may end, until that is given up; nothing new is tried. Rebalances are served all the while.
    async fn finish(mut self) {
        let mut stop = self.setup.stop.clone();
        while stop.now() < Stop::GiveUp && !self.steps.is_empty() {
            let step = tokio::select! {
                step = self.steps.next() => step,
                outcome = end_of(&mut self.committing) => {
                    self.committed(outcome);
                    None
                }
                () = tokio::time::sleep(TURN) => None,
                () = stop.comes_to(Stop::GiveUp) => None,
            };
            if let Some(Step::Tried(delivery, outcome)) = step {
                self.ended(&delivery);
                let verdict = delivery.conclude(&outcome, &self.setup.policy, 0);
                self.book(verdict.settled, &verdict.given_up);
            }
            self.serve_consumer();
            self.commit(Instant::now());
            self.answer(Instant::now());
        }
        self.steps.clear();
        if self.committing.is_some() {
            let outcome = end_of(&mut self.committing).await;
            self.committed(outcome);
        }
        // Waiting for the broker blocks: on a thread where that does no harm.
        let _ = tokio::task::spawn_blocking(move || self.close()).await;
    }

    /// In this order: the queues, which are parts of the consumer; what is left to commit; this poller. The consumer itself is
    /// its keeper's to end.
    fn close(mut self) {
        self.queues.clear();
        if let Some(positions) = self.unsent() {
            let outcome = self.setup.consumer.commit(&positions, CommitMode::Sync);
            self.committed(outcome);
        }
    }
}

/// However it comes to its end: the consumer does not come to its own before the group has what it waits for.
impl Drop for Poller {
    fn drop(&mut self) {
        self.setup.consumer.context().attend(false);
        self.handover.given_up();
        self.answer(Instant::now());
    }
}

/// How the commit under way ends; without one this waits for ever.
async fn end_of(committing: &mut Option<Committing>) -> KafkaResult<()> {
    match committing {
        Some(Committing { commit, .. }) => commit.await.unwrap_or(Err(KafkaError::Canceled)),
        None => std::future::pending().await,
    }
}

fn epoch_ms() -> i64 {
    i64::try_from(clock::epoch_ms()).unwrap_or(i64::MAX)
}

fn random() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_for_marks_that_comes_too_soon_is_made_up_for_while_it_is_wanted() {
        let (mut marks, now) = (MarksLook::default(), Instant::now());
        assert!(!marks.begin(false, now));
        assert!(marks.begin(true, now));
        assert_eq!(marks.wake_at(), None);
        assert!(!marks.begin(true, now + MARKS_EVERY / 2));
        assert_eq!(marks.wake_at(), Some(now + MARKS_EVERY));
        assert!(!marks.begin(false, now + MARKS_EVERY / 2));
        assert_eq!(
            marks.wake_at(),
            None,
            "nobody wants it any more: a wake for it would be one at once, again and again"
        );
        assert!(marks.begin(true, now + MARKS_EVERY));
    }
}
