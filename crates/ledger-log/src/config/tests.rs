use std::time::Duration;

use super::*;

const ARN: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/passbook/0b8a1c6e-3";

fn read(set: &[(&str, &str)]) -> Result<LogConfig, variables::Problems> {
    let lookup = |name: &str| set.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
    variables::read_from(lookup, LogConfig::read)
}

/// The variables complained about, in order.
fn faults(set: &[(&str, &str)]) -> Vec<&'static str> {
    read(set).unwrap_err().0.iter().map(|problem| problem.variable).collect()
}

#[test]
fn addresses_alone_are_enough() {
    let config = read(&[("KAFKA_BOOTSTRAP_SERVERS", " a:9092, b:9093 "), ("MSK_CLUSTER_ARN", "")]).unwrap();
    assert_eq!(config.brokers, Brokers::Addresses("a:9092,b:9093".to_owned()));
    assert_eq!(config.security.protocol(), "PLAINTEXT");
    assert_eq!(config.append_timeout(), Duration::from_secs(5));
}

#[test]
fn an_msk_cluster_is_signed_in_to_with_iam_unless_told() {
    let config = read(&[("MSK_CLUSTER_ARN", ARN)]).unwrap();
    assert_eq!(config.brokers, Brokers::MskCluster(ARN.parse().unwrap()));
    assert_eq!(config.security.protocol(), "SASL_SSL");
    assert_eq!(config.security.sasl, Some(Sasl::Iam { region: "eu-west-1".to_owned() }));
}

#[test]
fn passwords_are_read_and_never_printed() {
    let config = read(&[
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9096"),
        ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
        ("KAFKA_SASL_MECHANISM", "scram-sha-512"),
        ("KAFKA_SASL_USERNAME", "alice"),
        ("KAFKA_SASL_PASSWORD", "hunter2"),
    ])
    .unwrap();
    let (mechanism, username, password) = (Mechanism::ScramSha512, "alice".to_owned(), "hunter2".to_owned());
    assert_eq!(
        config.security,
        Security { tls: Some(Tls::default()), sasl: Some(Sasl::Password { mechanism, username, password }) }
    );
    assert!(!format!("{config:?}").contains("hunter2"));
}

/// Variables that are set, and those complained about.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn each_fault_names_its_variable() {
    let brokers = ("KAFKA_BOOTSTRAP_SERVERS", "a:9092");
    let tls = ("KAFKA_SECURITY_PROTOCOL", "SSL");
    let sasl = ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let cases: &[Case<'_>] = &[
        (&[], &["KAFKA_BOOTSTRAP_SERVERS"]),
        (&[brokers, ("MSK_CLUSTER_ARN", ARN)], &["MSK_CLUSTER_ARN"]),
        (&[("KAFKA_BOOTSTRAP_SERVERS", "a")], &["KAFKA_BOOTSTRAP_SERVERS"]),
        (&[("KAFKA_BOOTSTRAP_SERVERS", "a:0")], &["KAFKA_BOOTSTRAP_SERVERS"]),
        (&[("KAFKA_BOOTSTRAP_SERVERS", ",")], &["KAFKA_BOOTSTRAP_SERVERS"]),
        (&[("KAFKA_BOOTSTRAP_SERVERS", "kafka://a:9092")], &["KAFKA_BOOTSTRAP_SERVERS"]),
        (&[("MSK_CLUSTER_ARN", "arn:aws:s3:::bucket")], &["MSK_CLUSTER_ARN"]),
        (&[brokers, ("KAFKA_SECURITY_PROTOCOL", "TLS")], &["KAFKA_SECURITY_PROTOCOL"]),
        (&[brokers, sasl], &["KAFKA_SASL_MECHANISM"]),
        (&[brokers, sasl, ("KAFKA_SASL_MECHANISM", "GSSAPI")], &["KAFKA_SASL_MECHANISM"]),
        (&[brokers, sasl, ("KAFKA_SASL_MECHANISM", "PLAIN")], &["KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"]),
        (&[brokers, sasl, ("KAFKA_SASL_MECHANISM", "OAUTHBEARER")], &["AWS_REGION"]),
        (&[("MSK_CLUSTER_ARN", ARN), ("KAFKA_SASL_PASSWORD", "x")], &["KAFKA_SASL_PASSWORD"]),
        (&[brokers, ("KAFKA_SASL_MECHANISM", "PLAIN")], &["KAFKA_SASL_MECHANISM"]),
        (&[brokers, ("KAFKA_SSL_CA_LOCATION", file)], &["KAFKA_SSL_CA_LOCATION"]),
        (&[brokers, tls, ("KAFKA_SSL_CA_LOCATION", "/no/such.pem")], &["KAFKA_SSL_CA_LOCATION"]),
        (&[brokers, tls, ("KAFKA_SSL_CERTIFICATE_LOCATION", file)], &["KAFKA_SSL_KEY_LOCATION"]),
        (&[brokers, tls, ("KAFKA_SSL_KEY_LOCATION", file)], &["KAFKA_SSL_CERTIFICATE_LOCATION"]),
        (&[brokers, ("APPEND_TIMEOUT_MS", "5s")], &["APPEND_TIMEOUT_MS"]),
        (&[brokers, ("APPEND_TIMEOUT_MS", "99")], &["APPEND_TIMEOUT_MS"]),
    ];
    for (set, variables) in cases {
        assert_eq!(faults(set), *variables, "{set:?}");
    }
}

#[test]
fn all_faults_are_said_at_once() {
    let problems = read(&[("KAFKA_SECURITY_PROTOCOL", "TLS"), ("APPEND_TIMEOUT_MS", "soon")]).unwrap_err();
    let text = problems.to_string();
    assert_eq!(problems.0.len(), 3);
    assert_eq!(
        text.lines().last(),
        Some(r#"APPEND_TIMEOUT_MS: "soon" will not do; set a whole number from 100 to 840000"#)
    );
}
