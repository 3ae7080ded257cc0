//! Where the log is and how to sign in, from environment variables.
//!
//! | variable | meaning |
//! |---|---|
//! | `KAFKA_BOOTSTRAP_SERVERS` | brokers as `host:port`, separated by commas; this or the next |
//! | `MSK_CLUSTER_ARN` | an MSK cluster, whose brokers AWS is asked for |
//! | `KAFKA_SECURITY_PROTOCOL` | `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT`, `SASL_SSL`; unless told, `SASL_SSL` for MSK, else `PLAINTEXT` |
//! | `KAFKA_SASL_MECHANISM` | `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`, `OAUTHBEARER` (signs in with IAM, for MSK; its default) |
//! | `KAFKA_SASL_USERNAME`, `KAFKA_SASL_PASSWORD` | for `PLAIN` and `SCRAM-…` |
//! | `KAFKA_SSL_CA_LOCATION` | certificates to trust, a PEM file; the system's unless told |
//! | `KAFKA_SSL_CERTIFICATE_LOCATION`, `KAFKA_SSL_KEY_LOCATION` | the client's own, PEM files, both or none |
//! | `AWS_REGION` | for `OAUTHBEARER`, where no ARN names it; Lambda sets it |
//! | `APPEND_TIMEOUT_MS` | how long an append may wait for its confirmation: 100 to 840000, 5000 unless told |
//!
//! [`Variables`] says how values are read.

mod brokers;
mod security;
#[cfg(test)]
mod tests;

use std::time::Duration;

use variables::Variables;

pub(crate) use brokers::Brokers;
#[cfg(test)]
pub(crate) use security::Tls;
pub(crate) use security::{Mechanism, Sasl, Security};

/// Lambda ends a function that polls Kafka after 14 minutes at the latest.
const LONGEST_APPEND_TIMEOUT_MS: u64 = 840_000;
const SHORTEST_APPEND_TIMEOUT_MS: u64 = 100;
const DEFAULT_APPEND_TIMEOUT_MS: u64 = 5_000;

/// Where the log is and how to sign in. Sound in itself; whether it is true, only the brokers know.
#[derive(Debug, Clone)]
pub struct LogConfig {
    pub(crate) brokers: Brokers,
    pub(crate) security: Security,
    pub(crate) append_timeout: Duration,
}

impl LogConfig {
    /// Reads the variables above; nothing where one of them is wrong.
    pub fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let brokers = Brokers::read(variables);
        let security = Security::read(variables, brokers.as_ref());
        let append_timeout_ms = variables.number(
            "APPEND_TIMEOUT_MS",
            SHORTEST_APPEND_TIMEOUT_MS..=LONGEST_APPEND_TIMEOUT_MS,
            DEFAULT_APPEND_TIMEOUT_MS,
        );
        Some(Self { brokers: brokers?, security: security?, append_timeout: Duration::from_millis(append_timeout_ms?) })
    }

    /// How long an append may wait for its confirmation.
    pub fn append_timeout(&self) -> Duration {
        self.append_timeout
    }
}
