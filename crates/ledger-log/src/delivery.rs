//! A producer whose delivery reports go to whoever waits for them.
//!
//! rdkafka's own `FutureProducer` does the same with one channel per record; here a batch shares one report, and the
//! reports are seen in the order of the log.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use rdkafka::util::IntoOpaque;

use crate::cluster::ClientEvents;
use crate::{TRACEPARENT, Traceparent};

/// Where a record came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: Option<i64>,
}

/// Takes the delivery reports of one producer, each with what its record was sent with.
pub(crate) trait Reports: Send + Sync + 'static {
    type Ticket: IntoOpaque + Send;

    fn delivered(&self, ticket: Self::Ticket, result: Result<Delivery, KafkaError>);
}

/// A producer and its events.
pub(crate) struct Producer<R: Reports> {
    config: ClientConfig,
    events: ClientEvents,
    reports: Arc<R>,
    current: Mutex<Arc<ThreadedProducer<Context<R>>>>,
}

/// A record to send; a key and a value, and the trace it belongs to.
pub(crate) struct Outgoing<'a> {
    pub(crate) topic: &'static str,
    pub(crate) key: &'a str,
    pub(crate) value: &'a [u8],
    pub(crate) traceparent: Option<&'a Traceparent>,
}

impl<R: Reports> Producer<R> {
    pub(crate) fn new(config: ClientConfig, events: ClientEvents, reports: R) -> Result<Self, KafkaError> {
        let reports = Arc::new(reports);
        let context = Context { events: events.clone(), reports: reports.clone() };
        let current = Mutex::new(Arc::new(config.create_with_context(context)?));
        Ok(Self { config, events, reports, current })
    }

    pub(crate) fn events(&self) -> &ClientEvents {
        &self.events
    }

    /// Queues a record; its report comes later. A producer that has come to its end is replaced.
    pub(crate) fn send(&self, record: &Outgoing<'_>, ticket: R::Ticket) -> Result<(), (KafkaError, R::Ticket)> {
        let producer = self.current();
        match queue(&producer, record, ticket) {
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::Fatal), ticket)) => match self.replace(&producer) {
                Ok(fresh) => queue(&fresh, record, ticket),
                Err(error) => Err((error, ticket)),
            },
            result => result,
        }
    }

    fn current(&self) -> Arc<ThreadedProducer<Context<R>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After a fatal error, such as a broker that has lost its memory, a producer sends nothing any more.
    fn replace(
        &self,
        dead: &Arc<ThreadedProducer<Context<R>>>,
    ) -> Result<Arc<ThreadedProducer<Context<R>>>, KafkaError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current, dead) {
            tracing::warn!("the producer came to a fatal error; another takes its place");
            let context = Context { events: self.events.clone(), reports: self.reports.clone() };
            let old = std::mem::replace(&mut *current, Arc::new(self.config.create_with_context(context)?));
            // It waits for what it has in flight.
            std::thread::spawn(move || drop(old));
        }
        Ok(current.clone())
    }
}

impl<R: Reports> fmt::Debug for Producer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("client", &self.config.get("client.id")).finish_non_exhaustive()
    }
}

fn queue<R: Reports>(
    producer: &ThreadedProducer<Context<R>>,
    record: &Outgoing<'_>,
    ticket: R::Ticket,
) -> Result<(), (KafkaError, R::Ticket)> {
    let mut outgoing = BaseRecord::with_opaque_to(record.topic, ticket).key(record.key).payload(record.value);
    if let Some(traceparent) = record.traceparent {
        let header = Header { key: TRACEPARENT, value: Some(traceparent.as_str()) };
        outgoing = outgoing.headers(OwnedHeaders::new_with_capacity(1).insert(header));
    }
    producer.send(outgoing).map_err(|(error, returned)| (error, returned.delivery_opaque))
}

/// What librdkafka calls back.
pub(crate) struct Context<R> {
    events: ClientEvents,
    reports: Arc<R>,
}

impl<R: Reports> ProducerContext for Context<R> {
    type DeliveryOpaque = R::Ticket;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: R::Ticket) {
        let result = match result {
            Ok(message) => Ok(Delivery {
                partition: message.partition(),
                offset: message.offset(),
                timestamp_ms: message.timestamp().to_millis(),
            }),
            Err((error, _)) => Err(error.clone()),
        };
        if result.is_ok() {
            self.events.went_well();
        }
        self.reports.delivered(ticket, result);
    }
}

impl<R: Reports> ClientContext for Context<R> {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = ClientEvents::ENABLE_REFRESH_OAUTH_TOKEN;

    fn log(&self, level: RDKafkaLogLevel, kind: &str, message: &str) {
        self.events.log(level, kind, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.events.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.events.generate_oauth_token(config)
    }
}
