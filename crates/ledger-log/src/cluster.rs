//! A Kafka cluster: where its brokers are, how to sign in, and what every client of it has in common.

mod administrator;
mod client_events;
mod find;
mod remedy;
mod token;

use std::time::Duration;

use rdkafka::ClientConfig;

pub(crate) use administrator::AdministratorError;
pub(crate) use client_events::ClientEvents;
pub use find::FindError;
pub use token::TokenError;

use crate::config::{Brokers, LogConfig, Sasl, Security};
use crate::{AppendError, KafkaCommandLog, KafkaCommandReader, KafkaOutcomeLog, PublishError, Topics};

/// How long one request may wait for its answer, whatever time there is.
const LONGEST_SOCKET_TIMEOUT: Duration = Duration::from_secs(10);
/// librdkafka's own lower bound is 10 ms; a broker that answers takes less than this.
const SHORTEST_SOCKET_TIMEOUT: Duration = Duration::from_millis(200);

/// Where the brokers are and how to sign in. Finding it asks AWS, for an MSK cluster; no broker is asked anything.
#[derive(Debug, Clone)]
pub struct Cluster {
    addresses: String,
    security: Security,
    append_timeout: Duration,
}

impl Cluster {
    /// # Errors
    /// For an MSK cluster, when AWS does not tell its brokers. A list of addresses is taken as it is.
    pub async fn find(config: &LogConfig) -> Result<Self, FindError> {
        let addresses = match &config.brokers {
            Brokers::Addresses(addresses) => addresses.clone(),
            Brokers::MskCluster(arn) => find::find_brokers(arn, &config.security).await?,
        };
        Ok(Self { addresses, security: config.security.clone(), append_timeout: config.append_timeout })
    }

    /// The brokers as `host:port`, separated by commas.
    pub fn addresses(&self) -> &str {
        &self.addresses
    }

    /// How long an append may wait for its confirmation.
    pub fn append_timeout(&self) -> Duration {
        self.append_timeout
    }

    /// Opens the command topic for writing. Needs no broker.
    ///
    /// # Errors
    /// When librdkafka refuses its settings.
    pub fn command_log(&self) -> Result<KafkaCommandLog, AppendError> {
        KafkaCommandLog::open(self)
    }

    /// Opens the outcome topic for writing. Needs no broker. A record not confirmed within the time-out has failed.
    ///
    /// # Errors
    /// When librdkafka refuses its settings.
    pub fn outcome_log(&self, timeout: Duration) -> Result<KafkaOutcomeLog, PublishError> {
        KafkaOutcomeLog::open(self, timeout)
    }

    /// Reads the command topic, a stretch at a time.
    pub fn command_reader(&self) -> KafkaCommandReader {
        KafkaCommandReader::new(self.clone())
    }

    /// The topics, for the operator; every call about them ends within the time-out.
    pub fn topics(&self, timeout: Duration) -> Topics {
        Topics::new(self, timeout)
    }

    pub(crate) fn events(&self) -> ClientEvents {
        ClientEvents::new(self.security.clone())
    }

    /// What every client is told that has `patience` for the whole of what it does. Lambda freezes a function between
    /// invocations, so sockets are often dead when it thaws: find that out in half the time there is, so that the other
    /// half is for another connection, and connect again at once.
    pub(crate) fn client_config(&self, name: &str, patience: Duration) -> ClientConfig {
        let answer_within = (patience / 2).clamp(SHORTEST_SOCKET_TIMEOUT, LONGEST_SOCKET_TIMEOUT);
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.addresses)
            .set("client.id", name)
            .set("security.protocol", self.security.protocol())
            .set("socket.connection.setup.timeout.ms", "3000")
            .set("socket.timeout.ms", answer_within.as_millis().to_string())
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("log.connection.close", "false")
            // A topic is made by the operator's command, with its settings and its generation, never by asking for it.
            .set("allow.auto.create.topics", "false");
        self.set_tls(&mut config);
        self.set_sasl(&mut config);
        config
    }

    fn set_tls(&self, config: &mut ClientConfig) {
        let Some(tls) = &self.security.tls else { return };
        if let Some(ca) = &tls.ca {
            config.set("ssl.ca.location", ca);
        }
        if let Some((certificate, key)) = &tls.certificate {
            config.set("ssl.certificate.location", certificate).set("ssl.key.location", key);
        }
    }

    fn set_sasl(&self, config: &mut ClientConfig) {
        match &self.security.sasl {
            None => {}
            Some(Sasl::Iam { .. }) => {
                config.set("sasl.mechanism", "OAUTHBEARER");
            }
            Some(Sasl::Password { mechanism, username, password }) => {
                config
                    .set("sasl.mechanism", mechanism.name())
                    .set("sasl.username", username)
                    .set("sasl.password", password);
            }
        }
    }
}
