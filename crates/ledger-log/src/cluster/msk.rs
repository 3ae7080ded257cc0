//! The brokers of an MSK cluster, as AWS's GetBootstrapBrokers tells them.
//!
//! The answer has one list of brokers for each way of signing in that the cluster offers, each on its own port. Asked
//! once, at the start: it is a control-plane call with a low rate limit.

use aws_config::{BehaviorVersion, Region};
use aws_sdk_kafka::Client;
use aws_sdk_kafka::operation::get_bootstrap_brokers::GetBootstrapBrokersOutput;

use crate::config::{Mechanism, Sasl, Security};

/// Why the brokers of an MSK cluster are not known.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error(
        "MSK_CLUSTER_ARN: AWS does not tell the brokers of {arn} ({reason}); check the ARN, and that kafka:GetBootstrapBrokers is allowed"
    )]
    Refused { arn: String, reason: String },
    #[error(
        "MSK_CLUSTER_ARN: the cluster {arn} has no brokers for {wanted}; it offers {offered}; turn it on there, or change KAFKA_SECURITY_PROTOCOL and KAFKA_SASL_MECHANISM"
    )]
    NotOffered { arn: String, wanted: &'static str, offered: String },
}

pub(super) async fn find_brokers(arn: &str, region: &str, security: &Security) -> Result<String, FindError> {
    let aws = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region.to_owned())).load().await;
    ask(&Client::new(&aws), arn, security).await
}

async fn ask(aws: &Client, arn: &str, security: &Security) -> Result<String, FindError> {
    let answer = aws.get_bootstrap_brokers().cluster_arn(arn).send().await.map_err(|error| FindError::Refused {
        arn: arn.to_owned(),
        reason: aws_sdk_kafka::error::DisplayErrorContext(error).to_string(),
    })?;
    pick(&answer, security).map(str::to_owned).ok_or_else(|| FindError::NotOffered {
        arn: arn.to_owned(),
        wanted: wanted(security),
        offered: offered(&answer),
    })
}

/// The ways to sign in, each with its list of brokers; inside the VPC first, then across VPCs, then from outside.
fn lists(answer: &GetBootstrapBrokersOutput) -> [(&'static str, [Option<&str>; 3]); 4] {
    [
        ("PLAINTEXT", [answer.bootstrap_broker_string(), None, None]),
        (
            "TLS",
            [
                answer.bootstrap_broker_string_tls(),
                answer.bootstrap_broker_string_vpc_connectivity_tls(),
                answer.bootstrap_broker_string_public_tls(),
            ],
        ),
        (
            "SASL/SCRAM",
            [
                answer.bootstrap_broker_string_sasl_scram(),
                answer.bootstrap_broker_string_vpc_connectivity_sasl_scram(),
                answer.bootstrap_broker_string_public_sasl_scram(),
            ],
        ),
        (
            "SASL/IAM",
            [
                answer.bootstrap_broker_string_sasl_iam(),
                answer.bootstrap_broker_string_vpc_connectivity_sasl_iam(),
                answer.bootstrap_broker_string_public_sasl_iam(),
            ],
        ),
    ]
}

fn pick<'a>(answer: &'a GetBootstrapBrokersOutput, security: &Security) -> Option<&'a str> {
    let (_, lists) = lists(answer).into_iter().find(|(name, _)| *name == wanted(security))?;
    lists.into_iter().flatten().find(|list| !list.is_empty())
}

fn wanted(security: &Security) -> &'static str {
    match (&security.sasl, &security.tls) {
        (Some(Sasl::Iam { .. }), _) => "SASL/IAM",
        (Some(Sasl::Password { mechanism: Mechanism::ScramSha512, .. }), Some(_)) => "SASL/SCRAM",
        // MSK has no other passwords; the name says what was asked for.
        (Some(Sasl::Password { .. }), _) => "passwords other than SCRAM-SHA-512 over TLS",
        (None, Some(_)) => "TLS",
        (None, None) => "PLAINTEXT",
    }
}

fn offered(answer: &GetBootstrapBrokersOutput) -> String {
    let names: Vec<_> = lists(answer)
        .into_iter()
        .filter(|(_, lists)| lists.iter().flatten().any(|list| !list.is_empty()))
        .map(|(name, _)| name)
        .collect();
    if names.is_empty() { "none at all yet".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests;
