//! One poller: a consumer of the group, its batches in flight, and its commits. A single task owns all of it; the cores
//! ([`super::batcher`], [`super::delivery`], [`super::checkpoint`]) decide, this moves records and offsets.
//!
//! Each partition has a queue of its own, read only as far as the batcher has room: a function that fails for an hour
//! holds up its own partitions only, the others flow, and rebalances are served all the while.
//!
//! Bounds: what librdkafka fetches ahead (16 MB a partition at most), one batch's worth per partition in the batcher,
//! [`batcher::IN_FLIGHT`] batches of at most 6 MB being tried, and those that wait to be tried again: one per partition
//! at most.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message, Timestamp};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::{Notify, watch};

use super::batcher::{self, Batcher, Slice};
use super::checkpoint::Checkpoint;
use super::context::{self, Context, Happened};
use super::delivery::{Delivery, GivenUp, Outcome, Policy, Settled, Verdict};
use super::invoker::{Invoked, Invoker};
use super::line::Line;
use super::positions::Positions;
use super::progress::Progress;
use super::record::{Envelope, Partition, Raw, Record};
use super::response;
use crate::clock;

/// How often the consumer is served when nothing else happens: what a rebalance waits at most.
const TURN: Duration = Duration::from_millis(50);
/// Between two searches for where partitions begin, when the brokers do not answer.
const SEARCH_AGAIN: Duration = Duration::from_secs(1);
/// Records taken of one partition before the others get their turn.
const GULP: usize = 500;

/// What a poller is made of.
pub(super) struct Setup {
    pub(super) consumer: Arc<BaseConsumer<Context>>,
    pub(super) topic: String,
    pub(super) envelope: Envelope,
    pub(super) limits: batcher::Limits,
    pub(super) policy: Policy,
    pub(super) report_item_failures: bool,
    pub(super) invoker: Invoker,
    pub(super) progress: Arc<Progress>,
    pub(super) positions: Arc<Positions>,
    /// Where partitions begin that the group has no offset of, when that is a time: in ms since the epoch.
    pub(super) since_ms: Option<i64>,
    pub(super) stop: watch::Receiver<Stop>,
}

/// What a poller is asked for, more urgent each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    /// Nothing: it polls.
    No,
    /// To let what runs finish, and to end.
    Finish,
    /// To end now.
    GiveUp,
}

/// What comes back to the poller.
enum Step {
    /// It was found out where offered partitions begin. The number counts the offers.
    Located(u64, TopicPartitionList),
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
    /// Invocations, and waits for the next one.
    steps: FuturesUnordered<BoxFuture<'static, Step>>,
    /// Counts the offers of partitions: an earlier one is not answered any more.
    offers: u64,
    /// A failed commit is sent again, but not at once.
    commit_not_before: Option<Instant>,
}

/// Polls until told to stop, then waits for what is in flight and commits it.
pub(super) async fn run(setup: Setup) {
    let now = Instant::now();
    let mut poller = Poller {
        wake: Arc::clone(&setup.consumer.context().wake),
        batcher: Batcher::new(setup.limits, now),
        setup,
        queues: BTreeMap::new(),
        line: Line::default(),
        checkpoint: Checkpoint::default(),
        steps: FuturesUnordered::new(),
        offers: 0,
        commit_not_before: None,
    };
    let mut stop = poller.setup.stop.clone();
    while *stop.borrow() == Stop::No {
        let more = poller.turn();
        poller.wait(more, &mut stop).await;
    }
    poller.finish().await;
}

impl Poller {
    /// Serves the consumer, fetches, sends off what is due, commits. Returns whether there is more to fetch at once.
    fn turn(&mut self) -> bool {
        self.serve_consumer();
        let more = self.fetch();
        let now = Instant::now();
        while let Some(delivery) = self.line.next(&mut self.batcher, now) {
            self.begin(delivery);
        }
        self.commit(now);
        more
    }

    async fn wait(&mut self, more: bool, stop: &mut watch::Receiver<Stop>) {
        if more {
            // Others on this thread get their turn between two gulps.
            return tokio::task::yield_now().await;
        }
        let latest = Instant::now() + TURN;
        let until = self.batcher.wake_at().map_or(latest, |due| due.min(latest));
        tokio::select! {
            Some(step) = self.steps.next() => self.go_on(step),
            () = self.wake.notified() => {}
            () = tokio::time::sleep_until(until.into()) => {}
            _ = stop.wait_for(|stop| *stop > Stop::No) => {}
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
                Some(Err(error)) => consumer.context().log_limited("poll", &error.to_string()),
                None => nothing += 1,
            }
            while let Some(happened) = consumer.context().next() {
                self.note(happened);
            }
        }
    }

    fn note(&mut self, happened: Happened) {
        match happened {
            Happened::Offered(partitions) => {
                self.offers += 1;
                let located = self.locate(partitions);
                self.steps.push(Box::pin(located));
            }
            Happened::Assigned(partitions) => {
                tracing::info!(topic = self.setup.topic, ?partitions, "assigned");
                for partition in partitions {
                    self.assign(partition);
                }
                self.setup.progress.joined();
            }
            Happened::Revoked(partitions) => {
                self.offers += 1;
                tracing::info!(topic = self.setup.topic, ?partitions, "revoked");
                for partition in partitions {
                    self.queues.remove(&partition);
                    self.batcher.revoke(partition);
                    self.checkpoint.revoke(partition);
                    self.setup.progress.revoked(partition);
                }
            }
            Happened::CommitFailed => {
                self.checkpoint.failed();
                self.commit_not_before = Some(Instant::now() + Duration::from_secs(1));
            }
        }
    }

    /// Finds out where offered partitions begin, however long the brokers are away.
    fn locate(&self, offered: TopicPartitionList) -> impl Future<Output = Step> + Send + 'static {
        let (positions, offer) = (Arc::clone(&self.setup.positions), self.offers);
        let (topic, since_ms) = (self.setup.topic.clone(), self.setup.since_ms.unwrap_or_default());
        let mut stop = self.setup.stop.clone();
        async move {
            loop {
                match positions.since(offered.clone(), since_ms).await {
                    Ok(located) => return Step::Located(offer, located),
                    Err(error) => tracing::warn!(topic, %error, "cannot find where StartingPositionTimestamp is yet"),
                }
                if tokio::time::timeout(SEARCH_AGAIN, stop.wait_for(|stop| *stop > Stop::No)).await.is_ok() {
                    return Step::Located(offer, TopicPartitionList::new());
                }
            }
        }
    }

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
            Step::Located(offer, partitions) => {
                if offer == self.offers
                    && let Err(error) = context::answer(&self.setup.consumer, &partitions)
                {
                    self.setup.consumer.context().log_limited("rebalance", &error.to_string());
                }
            }
            Step::Waited(delivery) => self.line.join(delivery),
            Step::Tried(delivery, outcome) => {
                self.ended(&delivery);
                let Verdict { settled, given_up, again } = delivery.conclude(&outcome, &self.setup.policy, random());
                self.book(settled, &given_up);
                match again {
                    Some((delivery, wait)) if wait.is_zero() => self.line.join(delivery),
                    Some((delivery, wait)) => self.steps.push(Box::pin(self.pause(delivery, wait))),
                    None => self.batcher.returned(Instant::now()),
                }
            }
        }
    }

    /// Tries what is still this poller's and not too old.
    fn begin(&mut self, delivery: Delivery) {
        let rest = delivery.without_revoked(|partition, epoch| self.batcher.is_current(partition, epoch));
        let Some(delivery) = rest else { return self.batcher.returned(Instant::now()) };
        let Verdict { settled, given_up, again } = delivery.without_expired(&self.setup.policy, epoch_ms());
        self.book(settled, &given_up);
        match again {
            Some((delivery, _)) => {
                self.batcher.began(delivery.partitions());
                self.setup.progress.began();
                self.steps.push(Box::pin(self.attempt(delivery)));
            }
            None => self.batcher.returned(Instant::now()),
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
            let _ = tokio::time::timeout(wait, stop.wait_for(|stop| *stop > Stop::No)).await;
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

    fn commit(&mut self, now: Instant) {
        if self.checkpoint.is_clean() || self.commit_not_before.is_some_and(|at| now < at) {
            return;
        }
        self.commit_not_before = None;
        self.send_commit(CommitMode::Async);
    }

    fn send_commit(&mut self, mode: CommitMode) {
        let mut positions = TopicPartitionList::new();
        for (partition, next) in self.checkpoint.take() {
            // Refused only for a negative offset, and none is.
            let _ = positions.add_partition_offset(&self.setup.topic, partition, Offset::Offset(next));
        }
        if positions.count() == 0 {
            return;
        }
        if let Err(error) = self.setup.consumer.commit(&positions, mode) {
            self.setup.consumer.context().log_limited("commit", &format!("a commit failed: {error}"));
            self.note(Happened::CommitFailed);
        }
    }

    /// What runs may end, until that is given up; nothing new is tried. Rebalances are served all the while.
    async fn finish(mut self) {
        let mut stop = self.setup.stop.clone();
        while *stop.borrow() < Stop::GiveUp && !self.steps.is_empty() {
            let step = tokio::select! {
                step = self.steps.next() => step,
                () = tokio::time::sleep(TURN) => None,
                _ = stop.wait_for(|stop| *stop == Stop::GiveUp) => None,
            };
            if let Some(Step::Tried(delivery, outcome)) = step {
                let verdict = delivery.conclude(&outcome, &self.setup.policy, 0);
                self.setup.progress.ended();
                self.book(verdict.settled, &verdict.given_up);
            }
            self.serve_consumer();
            self.commit(Instant::now());
        }
        self.steps.clear();
        // Waiting for the broker, and leaving the group, block: on a thread where that does no harm.
        let _ = tokio::task::spawn_blocking(move || self.close()).await;
    }

    /// In this order: the queues, which are parts of the consumer; what is left to commit; the consumer, which leaves the
    /// group and waits for librdkafka's threads. Nothing of librdkafka runs when this returns.
    fn close(mut self) {
        self.setup.consumer.context().close();
        self.serve_consumer();
        self.queues.clear();
        self.send_commit(CommitMode::Sync);
        // An offer that was not answered would be waited for.
        let unanswered = self.setup.since_ms.is_some().then(|| self.setup.consumer.unassign());
        if let Some(Err(error)) = unanswered {
            tracing::debug!(%error, "cannot give the partitions back");
        }
        let progress = Arc::clone(&self.setup.progress);
        drop(self);
        progress.stopped();
    }
}

/// A message as it stands in an event.
pub(super) fn encode(message: &BorrowedMessage<'_>) -> Record {
    let (timestamp_ms, log_append_time) = match message.timestamp() {
        Timestamp::CreateTime(ms) => (ms, false),
        Timestamp::LogAppendTime(ms) => (ms, true),
        Timestamp::NotAvailable => (0, false),
    };
    let raw = Raw {
        topic: message.topic(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms,
        log_append_time,
        key: message.key(),
        value: message.payload(),
    };
    match message.headers() {
        Some(headers) => raw.encode(headers.iter().map(|header| (header.key, header.value))),
        None => raw.encode([].into_iter()),
    }
}

fn epoch_ms() -> i64 {
    i64::try_from(clock::epoch_ms()).unwrap_or(i64::MAX)
}

fn random() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().1
}
