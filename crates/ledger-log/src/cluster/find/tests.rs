//! Which brokers are taken of those that a replayed answer of AWS tells.

use super::*;
use crate::config::LogConfig;
use crate::msk::replay::{ARN, ways_in};

fn security(set: &[(&str, &str)]) -> Security {
    let lookup = |name: &str| {
        let found = set.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
        if name == "MSK_CLUSTER_ARN" { Some(ARN.to_owned()) } else { found }
    };
    variables::read_from(lookup, LogConfig::read).unwrap().security
}

async fn pick_from(answer: &'static str, set: &[(&str, &str)]) -> Result<String, FindError> {
    pick(&ways_in(answer).await, &ARN.parse().unwrap(), &security(set))
}

const ALL: &str = include_str!("../../msk/replies/bootstrap-brokers.json");
const IAM_ONLY: &str = include_str!("../../msk/replies/bootstrap-brokers-serverless.json");
const PUBLIC_ONLY: &str = r#"{"bootstrapBrokerStringPublicSaslIam": "b-1-public.passbook:9198"}"#;

#[tokio::test]
async fn the_brokers_fit_the_way_of_signing_in() {
    let password =
        [("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"), ("KAFKA_SASL_USERNAME", "u"), ("KAFKA_SASL_PASSWORD", "p")];
    for (set, port) in [
        (&[("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT")][..], ":9092"),
        (&[("KAFKA_SECURITY_PROTOCOL", "SSL")], ":9094"),
        (&password, ":9096"),
        (&[], ":9098"),
    ] {
        let brokers = pick_from(ALL, set).await.unwrap();
        assert_eq!(brokers.split(',').count(), 2, "{brokers}");
        assert!(brokers.split(',').all(|broker| broker.ends_with(port)), "{set:?}: {brokers}");
    }
}

#[tokio::test]
async fn brokers_reached_from_outside_come_last() {
    assert_eq!(pick_from(PUBLIC_ONLY, &[]).await.unwrap(), "b-1-public.passbook:9198");
}

#[tokio::test]
async fn a_way_that_is_not_offered_is_named_with_those_that_are() {
    let plain = [("KAFKA_SASL_MECHANISM", "PLAIN"), ("KAFKA_SASL_USERNAME", "u"), ("KAFKA_SASL_PASSWORD", "p")];
    for (set, wanted) in
        [(&[("KAFKA_SECURITY_PROTOCOL", "SSL")][..], "TLS"), (&plain, "passwords other than SCRAM-SHA-512 over TLS")]
    {
        let error = pick_from(IAM_ONLY, set).await.unwrap_err().to_string();
        assert!(error.contains(&format!("has no brokers for {wanted}; it offers SASL/IAM;")), "{error}");
    }
}
