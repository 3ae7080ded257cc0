//! Commands into Kafka: an idempotent producer, acknowledged by every in-sync replica.
//!
//! Commands to one partition leave in [`Flights`], one after the other. Where commands are many (a [`Crowd`]), a flight waits
//! [`COMPANY`] in librdkafka for those to other partitions: each send and each answer costs this process and the broker more
//! than the records in it. Else it is sent at once. (docs/decisions/2026-11-29-settled-at-once.md)
//!
//! Bounds: an append ends within the append time-out, give or take the second in which librdkafka looks at time-outs. At most
//! [`WAITING`] commands wait for their confirmation, and as many for their flight; one more is turned away.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use ledger::{AccountId, Generation, Partition, Placement, Position, Timestamp};
use ledger_wire::{NewCommand, record};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::crowd::Crowd;
use super::flights::{Flight, Flights, HELD, Look, WAITING};
use super::known_placement::KnownPlacement;
use super::{AppendError, Appended, CommandLog, PLACEMENT_WITHIN};
use crate::cluster::Cluster;
use crate::delivery::{Delivery, Outgoing, Producer, Reports, Undelivered};
use crate::generations::{self, GenerationError};
use crate::{COMMANDS, Traceparent};

/// How long the flights of many wait for each other.
const COMPANY: Duration = Duration::from_millis(2);
/// The longest a broker may take to say that the topic is there.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// The command topic of a Kafka cluster.
pub struct KafkaCommandLog {
    cluster: Cluster,
    timeout: Duration,
    producer: Producer<Confirmations>,
    crowd: Crowd,
    flights: Mutex<Flights<Departing>>,
    known: KnownPlacement,
}

impl KafkaCommandLog {
    pub(crate) fn open(cluster: &Cluster) -> Result<Self, AppendError> {
        let timeout = cluster.append_timeout();
        let mut config = cluster.client_config("passbook-commands", timeout);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", COMPANY.as_millis().to_string())
            // What is left of it after the wait for a flight; of a short one half, since 0 would be for ever.
            .set("message.timeout.ms", timeout.saturating_sub(HELD).max(timeout / 2).as_millis().to_string())
            .set("queue.buffering.max.messages", WAITING.to_string())
            .set("compression.type", "lz4")
            // A client that has just started exchanges its first connection for others, and has nobody to ask for the topic
            // meanwhile: it asks again after this time (librdkafka: 100 ms), then after longer ones, up to 1 s. An append is
            // tried for as long as its time-out says, however often that is.
            .set("retry.backoff.ms", "10")
            // A topic that is not there is said at once; what has just been created is shown within this time.
            .set("topic.metadata.propagation.max.ms", "1000");
        let producer = Producer::new(config, cluster.events(), Confirmations::default()).map_err(misconfigured)?;
        let (crowd, flights, known) =
            (Crowd::new(Instant::now()), Mutex::new(Flights::new()), KnownPlacement::default());
        Ok(Self { cluster: cluster.clone(), timeout, producer, crowd, flights, known })
    }

    async fn read_placement(&self) -> Result<Placement, AppendError> {
        let read = || generations::read(self.cluster.clone(), COMMANDS, self.timeout);
        self.known.get(self.producer.events().outages(), read).await.map_err(AppendError::from)
    }

    /// Both that an append needs: the generation, once, and the topic, each time.
    async fn ask_for_topic(&self) -> Result<(), AppendError> {
        let (placement, topic) = futures::join!(
            self.read_placement(),
            self.producer.ask_for_topic(COMMANDS, self.timeout.min(PING_TIMEOUT))
        );
        topic.map_err(|error| self.failed(&error))?;
        placement.map(drop)
    }

    /// The generation and its partitions, in time. Nothing is left behind by giving up on it, unlike on an append.
    async fn placement_in_time(&self) -> Result<Placement, AppendError> {
        let too_late = || {
            let trouble = self.producer.events().last_trouble();
            let trouble = trouble.map(|trouble| format!(": {trouble}")).unwrap_or_default();
            AppendError::Unavailable { reason: format!("its generation could not be read in time{trouble}") }
        };
        timeout(PLACEMENT_WITHIN, self.read_placement()).await.unwrap_or_else(|_| Err(too_late()))
    }

    /// Puts commands among those that wait for the next flights, all at once: those to one partition are on one flight.
    fn join(
        &self,
        placement: Placement,
        commands: &[NewCommand],
        traceparent: Option<&Traceparent>,
    ) -> Vec<Result<Waiting<'_>, AppendError>> {
        let Placement { generation, .. } = placement;
        let encoded: Vec<_> = commands.iter().map(|command| record::encode(command, generation)).collect();
        let mut flights = self.flights();
        let joined = commands.iter().zip(encoded).map(|(command, value)| {
            let (confirm, confirmation) = oneshot::channel();
            let partition = placement.partition_of(&command.account);
            let departing = Departing {
                partition,
                account: command.account.clone(),
                value,
                traceparent: traceparent.cloned(),
                ticket: Box::new(Ticket { generation, confirm }),
            };
            let flight = flights.join(partition, departing).map_err(|_| AppendError::QueueFull)?;
            Ok((flight, confirmation))
        });
        let joined: Vec<_> = joined.collect();
        // Only now: whoever is aboard locks the flights when it is dropped.
        drop(flights);
        let aboard = |flight| Aboard { log: self, flight };
        let waiting = |(flight, confirmation)| Waiting { aboard: aboard(flight), generation, confirmation };
        joined.into_iter().map(|joined| joined.map(waiting)).collect()
    }

    async fn confirmed(&self, waiting: Waiting<'_>) -> Result<Appended, AppendError> {
        let generation = waiting.generation;
        let delivery = self.delivered(waiting).await.inspect_err(|error| {
            // The topic is another one, or is about to be.
            if matches!(error, AppendError::Recreated | AppendError::Misconfigured { .. }) {
                self.known.forget();
            }
        })?;
        appended(generation, delivery)
            .ok_or_else(|| self.unconfirmed("the broker has it, but does not say where".to_owned()))
    }

    async fn delivered(&self, waiting: Waiting<'_>) -> Result<Delivery, AppendError> {
        let Waiting { aboard, mut confirmation, .. } = waiting;
        let _under_way = self.crowd.join(Instant::now());
        // Always told once it has left: by the broker, or by librdkafka when the time is up. A time-out here would leave the
        // record queued.
        let told = loop {
            match self.look(aboard.flight) {
                None => break confirmation.await,
                Some(until) => {
                    if let Ok(told) = timeout_at(until, &mut confirmation).await {
                        break told;
                    }
                }
            }
        };
        drop(aboard);
        match told {
            Ok(Confirmation::Recorded(delivery)) => Ok(delivery),
            Ok(Confirmation::Recreated) => Err(AppendError::Recreated),
            Ok(Confirmation::Refused(error)) => Err(self.refused(&error)),
            // Whatever the last try came to, an earlier one may have been written.
            Ok(Confirmation::Failed(Undelivered { error, maybe_recorded: true })) => {
                Err(self.unconfirmed(self.producer.reason(&error)))
            }
            Ok(Confirmation::Failed(Undelivered { error, maybe_recorded: false })) => Err(self.failed(&error)),
            Err(_) => Err(self.unconfirmed("the producer ended".to_owned())),
        }
    }

    /// Until when a flight waits; `None` where it has left, or leaves with this.
    fn look(&self, flight: Flight) -> Option<Instant> {
        let mut flights = self.flights();
        match flights.look(flight, Instant::now()) {
            Look::Left => None,
            Look::Waits(until) => Some(until),
            Look::Leaves(commands) => {
                self.send(&flights, commands);
                None
            }
        }
    }

    /// Hands commands to the client. Whoever does has the flights: no other can overtake this one.
    fn send(&self, _flights: &MutexGuard<'_, Flights<Departing>>, commands: Vec<Departing>) {
        let mut sender = None;
        for Departing { partition, account, value, traceparent, ticket } in commands {
            let outgoing = Outgoing {
                topic: COMMANDS,
                partition: Some(partition),
                key: account.group(),
                value: &value,
                traceparent: traceparent.as_ref(),
            };
            // Each anew: a client that refuses a record for good has a successor.
            match self.producer.client() {
                Ok(client) => match client.send(&outgoing, ticket) {
                    Ok(()) => sender = Some(client),
                    Err((error, ticket)) => ticket.refuse(error),
                },
                Err(error) => ticket.refuse(error),
            }
        }
        if let Some(client) = sender
            && !self.crowd.is_there(Instant::now())
        {
            client.hurry();
        }
    }

    fn flights(&self) -> MutexGuard<'_, Flights<Departing>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never queued.
    fn refused(&self, error: &KafkaError) -> AppendError {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => AppendError::QueueFull,
            _ => self.failed(error),
        }
    }

    /// Of what the log does not have, for certain.
    fn failed(&self, error: &KafkaError) -> AppendError {
        let (problem, fix) = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) => {
                (format!("there is no topic {COMMANDS}"), "run `passbook topics create`")
            }
            Some(RDKafkaErrorCode::UnknownPartition) => (
                format!("{COMMANDS} has fewer partitions than its generation began with, or was created anew"),
                "send the command again; if it is refused again, `passbook topics create --if-missing` says what can be done",
            ),
            Some(RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed) => (
                format!("writing to {COMMANDS} is not allowed"),
                "allow it to the user that KAFKA_SASL_USERNAME or IAM names",
            ),
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                ("the command is larger than the log takes".to_owned(), "raise max.message.bytes of the topic")
            }
            _ => return AppendError::Unavailable { reason: self.producer.reason(error) },
        };
        AppendError::Misconfigured { problem, fix: fix.to_owned() }
    }

    fn unconfirmed(&self, reason: String) -> AppendError {
        AppendError::Unconfirmed { timeout_ms: self.timeout.as_millis() as u64, reason }
    }
}

impl CommandLog for KafkaCommandLog {
    /// Each is sent before the first is waited for, in order.
    async fn append(
        &self,
        commands: &[NewCommand],
        traceparent: Option<&Traceparent>,
    ) -> Vec<Result<Appended, AppendError>> {
        match self.placement_in_time().await {
            Ok(placement) => {
                let waiting = self.join(placement, commands, traceparent);
                join_all(waiting.into_iter().map(async |waiting| self.confirmed(waiting?).await)).await
            }
            Err(error) => vec![Err(error); commands.len()],
        }
    }

    async fn ping(&self) -> Result<(), AppendError> {
        self.ask_for_topic().await
    }
}

impl std::fmt::Debug for KafkaCommandLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaCommandLog").field("brokers", &self.cluster.addresses()).finish_non_exhaustive()
    }
}

impl From<GenerationError> for AppendError {
    fn from(error: GenerationError) -> Self {
        match error {
            GenerationError::Unavailable { reason } => Self::Unavailable { reason },
            GenerationError::Missing { .. } | GenerationError::Unreadable { .. } => {
                Self::Misconfigured { problem: error.to_string(), fix: "run `passbook topics create`".to_owned() }
            }
        }
    }
}

fn misconfigured(error: KafkaError) -> AppendError {
    AppendError::Misconfigured {
        problem: format!("the producer cannot be made ({error})"),
        fix: "check KAFKA_…".to_owned(),
    }
}

fn appended(generation: Generation, delivery: Delivery) -> Option<Appended> {
    let partition = delivery.partition.try_into().ok()?;
    let position = Position::new(generation, partition, delivery.offset.try_into().ok()?).ok()?;
    Some(Appended { position, recorded_at: delivery.timestamp_ms.map(Timestamp::from_epoch_ms) })
}

/// A command that waits for its flight.
struct Departing {
    partition: Partition,
    account: AccountId,
    value: Vec<u8>,
    traceparent: Option<Traceparent>,
    ticket: Box<Ticket>,
}

/// Whoever waits for a command.
struct Waiting<'a> {
    aboard: Aboard<'a>,
    generation: Generation,
    confirmation: oneshot::Receiver<Confirmation>,
}

/// A command on a flight, for as long as somebody waits for it. The first one of a flight that is confirmed, or given up,
/// sends the next flight.
struct Aboard<'a> {
    log: &'a KafkaCommandLog,
    flight: Flight,
}

impl Drop for Aboard<'_> {
    fn drop(&mut self) {
        let mut flights = self.log.flights();
        let next = flights.landed(self.flight, Instant::now());
        self.log.send(&flights, next);
    }
}

/// Goes with a record, and comes back with its report.
struct Ticket {
    /// The generation that stands in the record.
    generation: Generation,
    confirm: oneshot::Sender<Confirmation>,
}

impl Ticket {
    /// The client did not take the record.
    fn refuse(self, error: KafkaError) {
        let _nobody_may_wait = self.confirm.send(Confirmation::Refused(error));
    }
}

enum Confirmation {
    Recorded(Delivery),
    /// The offset has been given out before in this generation, so this is not the topic it was.
    Recreated,
    Failed(Undelivered),
    /// The client did not take it.
    Refused(KafkaError),
}

/// Hands each confirmation to its append, and watches that the offsets of a partition only ever grow within a generation:
/// reports come in the order of the log, so an offset seen before gives a topic away that was created anew behind the
/// producer's back.
#[derive(Default)]
struct Confirmations {
    last_offsets: Mutex<HashMap<(Generation, i32), i64>>,
}

impl Confirmations {
    fn judge(&self, generation: Generation, delivery: Delivery) -> Confirmation {
        let mut last_offsets = self.last_offsets.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last_offsets.entry((generation, delivery.partition)).or_insert(-1);
        if delivery.offset <= *last {
            return Confirmation::Recreated;
        }
        *last = delivery.offset;
        Confirmation::Recorded(delivery)
    }
}

impl Reports for Confirmations {
    type Ticket = Box<Ticket>;

    fn delivered(&self, ticket: Self::Ticket, result: Result<Delivery, Undelivered>) {
        let confirmation = match result {
            // Told by librdkafka where the broker has the record from an earlier try, but no longer knows where.
            Ok(delivery) if delivery.offset < 0 => Confirmation::Recorded(delivery),
            Ok(delivery) => self.judge(ticket.generation, delivery),
            Err(error) => Confirmation::Failed(error),
        };
        // Whoever asked may have gone.
        let _ = ticket.confirm.send(confirmation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, offset: i64) -> Delivery {
        Delivery { partition, offset, timestamp_ms: None }
    }

    #[test]
    fn an_offset_that_does_not_grow_gives_a_recreated_topic_away() {
        let confirmations = Confirmations::default();
        let recorded =
            |generation, delivery| matches!(confirmations.judge(generation, delivery), Confirmation::Recorded(_));
        assert!(recorded(1, at(0, 4)));
        assert!(recorded(1, at(1, 0)));
        assert!(recorded(1, at(0, 5)));
        assert!(!recorded(1, at(0, 0)), "a record of generation 1 in the topic of another");
        assert!(recorded(2, at(0, 1)), "the next generation begins anew");
        assert!(!recorded(1, at(0, 2)));
    }

    #[test]
    fn a_delivery_without_a_place_is_no_position() {
        assert_eq!(appended(1, at(0, -1001)), None);
        assert_eq!(appended(1, at(3, 7)).unwrap().position, Position::new(1, 3, 7).unwrap());
    }
}
