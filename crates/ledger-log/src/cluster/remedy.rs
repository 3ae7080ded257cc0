//! What to do about brokers that do not let a client in.
//!
//! librdkafka and OpenSSL say what went wrong in terms of their own settings. Whoever runs Passbook has set environment
//! variables, so trouble is told together with those that mend it.

use crate::config::{Sasl, Security};

const AUTHORITY: &str =
    "set KAFKA_SSL_CA_LOCATION to a PEM file with the authority that signed the brokers' certificates";
const CERTIFICATE_WANTED: &str =
    "the brokers want the client's certificate: set KAFKA_SSL_CERTIFICATE_LOCATION and KAFKA_SSL_KEY_LOCATION";
const CERTIFICATE_REFUSED: &str = "KAFKA_SSL_CERTIFICATE_LOCATION names a certificate of an authority that the brokers do not trust, or an expired one";
const MECHANISM: &str = "set KAFKA_SASL_MECHANISM to what that port of the brokers supports";
const PASSWORD: &str = "check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD";
const IAM: &str =
    "check the AWS credentials, their region, and that kafka-cluster:Connect is allowed to them on the cluster";
const PROTOCOL: &str = "check KAFKA_SECURITY_PROTOCOL: that port of the brokers is of another kind";

/// The complaint, with what mends it where that is known.
pub(super) fn told(complaint: &str, security: &Security) -> String {
    match remedy(complaint, security) {
        Some(remedy) => format!("{complaint}; {remedy}"),
        None => complaint.to_owned(),
    }
}

fn remedy(complaint: &str, security: &Security) -> Option<&'static str> {
    let says = |text: &str| complaint.contains(text);
    if says("certificate verify failed") {
        return Some(AUTHORITY);
    }
    // Under TLS 1.3 the brokers complain of a missing certificate only after the handshake; most call it a bad one.
    if says("alert bad certificate") || says("certificate required") || says("alert unknown ca") {
        let has_certificate = security.tls.as_ref().is_some_and(|tls| tls.certificate.is_some());
        return Some(if has_certificate { CERTIFICATE_REFUSED } else { CERTIFICATE_WANTED });
    }
    if says("Unsupported SASL mechanism") {
        return Some(MECHANISM);
    }
    if says("SASL authentication error") {
        return Some(if matches!(security.sasl, Some(Sasl::Iam { .. })) { IAM } else { PASSWORD });
    }
    says("PLAINTEXT broker listener").then_some(PROTOCOL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mechanism, Tls};

    fn check(complaint: &str, security: &Security, remedy: Option<&str>) {
        assert_eq!(told(complaint, security), [complaint].into_iter().chain(remedy).collect::<Vec<_>>().join("; "));
    }

    /// As librdkafka 2.12 passes them on from Apache Kafka 4.1 and OpenSSL 3.
    #[test]
    fn trouble_is_told_with_the_variables_that_mend_it() {
        let files = Some(("client.pem".to_owned(), "client.key".to_owned()));
        let (mechanism, username, password) = (Mechanism::ScramSha512, "u".to_owned(), "p".to_owned());
        let scram =
            Security { tls: Some(Tls::default()), sasl: Some(Sasl::Password { mechanism, username, password }) };
        let iam = Security { sasl: Some(Sasl::Iam { region: "eu-west-1".to_owned() }), ..scram.clone() };
        let tls = Security { sasl: None, ..scram.clone() };
        let mutual = Security { tls: Some(Tls { certificate: files, ca: None }), sasl: None };
        let wrong_password = "SASL authentication error: Authentication failed: Invalid username or password";
        check(wrong_password, &scram, Some(PASSWORD));
        check("SASL authentication error: {\"status\":\"it has expired\"}", &iam, Some(IAM));
        let mechanism = "SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported";
        check(mechanism, &scram, Some(MECHANISM));
        let unknown =
            "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate";
        check(unknown, &tls, Some(AUTHORITY));
        let bad = "Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42";
        check(bad, &tls, Some(CERTIFICATE_WANTED));
        check(bad, &mutual, Some(CERTIFICATE_REFUSED));
        let plain = "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?";
        check(plain, &tls, Some(PROTOCOL));
        check("Connect to ipv4#127.0.0.1:1 failed: Connection refused", &tls, None);
    }
}
