//! The brokers of an MSK cluster that fit the way of signing in.
//!
//! AWS's answer has one list of brokers for each way that the cluster offers, each on its own port. Asked once, at the
//! start: it is a control-plane call with a low rate limit.

use crate::config::{Mechanism, Sasl, Security};
use crate::msk::{AskError, Authentication, ClusterArn, MskCluster, WayIn};

/// Why the brokers of an MSK cluster are not known.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error(transparent)]
    NotTold(#[from] AskError),
    #[error(
        "MSK_CLUSTER_ARN: the cluster {arn} has no brokers for {wanted}; it offers {offered}; turn it on there, or change KAFKA_SECURITY_PROTOCOL and KAFKA_SASL_MECHANISM"
    )]
    NotOffered { arn: ClusterArn, wanted: &'static str, offered: String },
}

pub(super) async fn find_brokers(arn: &ClusterArn, security: &Security) -> Result<String, FindError> {
    pick(&MskCluster::new(arn).await.ways_in().await?, arn, security)
}

/// The nearest brokers of the way that is wanted.
fn pick(ways: &[WayIn], arn: &ClusterArn, security: &Security) -> Result<String, FindError> {
    let authentication = wanted(security);
    let way = authentication.and_then(|wanted| ways.iter().find(|way| way.authentication == wanted));
    way.map(|way| way.brokers.join(",")).ok_or_else(|| FindError::NotOffered {
        arn: arn.clone(),
        // The name says what was asked for.
        wanted: authentication.map_or("passwords other than SCRAM-SHA-512 over TLS", Authentication::name),
        offered: offered(ways),
    })
}

/// Nothing where MSK has no such way.
fn wanted(security: &Security) -> Option<Authentication> {
    match (&security.sasl, &security.tls) {
        (Some(Sasl::Iam { .. }), _) => Some(Authentication::Iam),
        (Some(Sasl::Password { mechanism: Mechanism::ScramSha512, .. }), Some(_)) => Some(Authentication::Scram),
        (Some(Sasl::Password { .. }), _) => None,
        (None, Some(_)) => Some(Authentication::Tls),
        (None, None) => Some(Authentication::Plaintext),
    }
}

fn offered(ways: &[WayIn]) -> String {
    let mut names: Vec<_> = ways.iter().map(|way| way.authentication.name()).collect();
    names.dedup();
    if names.is_empty() { "none at all yet".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests;
