//! What librdkafka has to say: its log, its errors, and its wish for a token.
//!
//! A client without a broker logs some twenty lines a second. Each kind of line is let through once in ten seconds, with
//! the number of those held back. Nothing of it is an error here: what fails is said by the call that fails.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{remedy, token};
use crate::config::Security;

const QUIET: Duration = Duration::from_secs(10);

/// The events of one client.
#[derive(Debug, Clone)]
pub(crate) struct ClientEvents {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    security: Security,
    /// By kind of line, of which librdkafka has a few dozen.
    said: Mutex<HashMap<String, Said>>,
    trouble: Mutex<Trouble>,
}

#[derive(Debug)]
struct Said {
    at: Instant,
    held_back: u64,
}

#[derive(Debug, Default)]
struct Trouble {
    last: Option<String>,
    /// Counts how often every broker was out of reach.
    outages: u64,
}

impl ClientEvents {
    pub(super) fn new(security: Security) -> Self {
        Self { state: Arc::new(State { security, said: Mutex::default(), trouble: Mutex::default() }) }
    }

    /// The last trouble the client had, since it last went well.
    pub(crate) fn last_trouble(&self) -> Option<String> {
        self.with_trouble(|trouble| trouble.last.clone())
    }

    pub(crate) fn went_well(&self) {
        self.with_trouble(|trouble| trouble.last = None);
    }

    /// How often every broker was out of reach. A log kept in memory only is another one after that.
    pub(crate) fn outages(&self) -> u64 {
        self.with_trouble(|trouble| trouble.outages)
    }

    fn with_trouble<T>(&self, act: impl FnOnce(&mut Trouble) -> T) -> T {
        act(&mut self.state.trouble.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Nothing while this kind of line is to be quiet, otherwise how many were held back.
    fn may_say(&self, kind: &str) -> Option<u64> {
        let now = Instant::now();
        let mut said = self.state.said.lock().unwrap_or_else(PoisonError::into_inner);
        match said.get_mut(kind) {
            None => {
                said.insert(kind.to_owned(), Said { at: now, held_back: 0 });
                Some(0)
            }
            Some(last) if now.duration_since(last.at) < QUIET => {
                last.held_back += 1;
                None
            }
            Some(last) => {
                last.at = now;
                Some(std::mem::take(&mut last.held_back))
            }
        }
    }
}

impl ClientContext for ClientEvents {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, kind: &str, message: &str) {
        let Some(held_back) = self.may_say(kind) else { return };
        match level {
            RDKafkaLogLevel::Debug => tracing::trace!(target: "librdkafka", kind, held_back, "{message}"),
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
                tracing::debug!(target: "librdkafka", kind, held_back, "{message}");
            }
            _ => tracing::warn!(target: "librdkafka", kind, held_back, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        self.with_trouble(|trouble| {
            if code == Some(RDKafkaErrorCode::AllBrokersDown) {
                trouble.outages += 1;
            } else {
                trouble.last = Some(remedy::told(reason, &self.state.security));
            }
        });
        let kind = code.map_or_else(|| "error".to_owned(), |code| format!("{code:?}"));
        if let Some(held_back) = self.may_say(&kind) {
            tracing::warn!(target: "librdkafka", kind, held_back, "{reason}");
        }
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let region = self.state.security.iam_region().ok_or("no region to sign in to with IAM")?;
        token::make_blocking(region)
    }
}

impl ConsumerContext for ClientEvents {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_line_is_said_once_and_then_held_back() {
        let events = ClientEvents::new(Security { tls: None, sasl: None });
        assert_eq!(events.may_say("FAIL"), Some(0));
        assert_eq!(events.may_say("FAIL"), None);
        assert_eq!(events.may_say("REQTMOUT"), Some(0));
        events.state.said.lock().unwrap().get_mut("FAIL").unwrap().at -= QUIET;
        assert_eq!(events.may_say("FAIL"), Some(1));
    }

    #[test]
    fn trouble_is_remembered_until_it_goes_well_again() {
        let events = ClientEvents::new(Security { tls: None, sasl: None });
        events.error(KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure), "127.0.0.1:1: refused");
        events.error(KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(events.last_trouble().as_deref(), Some("127.0.0.1:1: refused"));
        assert_eq!(events.outages(), 1);
        events.went_well();
        assert_eq!(events.last_trouble(), None);
    }
}
