//! A log that asks who is there: one deposit over each way of signing in, and what becomes of those who are turned away.
//!
//! Beside the calm stack, of which only MongoDB is used, run one Apache Kafka with a listener for each way, and for each
//! test a lambda-local with both functions. The operator makes the topics over that listener, `api` appends, the poller
//! reads, `settler` publishes, and the operator looks at it. With IAM the poller alone comes in by the listener that is
//! open: lambda-local's does not sign.

mod refused;
mod settled;
mod tokens;

use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use system_tests::secured_kafka::{self, SecuredKafka, WayIn};
use system_tests::{Functions, Stack, Told, release_binary};

use crate::shared::{CALM, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let last = trial("secured::the_kafka_ends_without_unexpected_errors", &CALM, |_| match slot().take() {
        Some(kafka) => kafka.finish(&[]),
        None => Ok(()),
    });
    [settled::trials(), tokens::trials(), refused::trials(), vec![last]].into_iter().flatten().collect()
}

const DATABASE: &str = "secured";

/// Started by the first test that wants it; ended by the last, or with this process.
static KAFKA: Mutex<Option<SecuredKafka>> = Mutex::new(None);

fn slot() -> MutexGuard<'static, Option<SecuredKafka>> {
    KAFKA.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with_kafka<T>(stack: &Stack, test: impl FnOnce(&SecuredKafka) -> Result<T>) -> Result<T> {
    let mut slot = slot();
    if slot.is_none() {
        *slot = Some(SecuredKafka::start(stack)?);
    }
    test(slot.as_ref().context("it was started")?)
}

type Variable = (&'static str, String);

/// What tells Passbook to come in so.
fn variables(kafka: &SecuredKafka, way: WayIn) -> Vec<Variable> {
    let text = |(name, value): (&'static str, &str)| (name, value.to_owned());
    let signing_in: Vec<Variable> = match way {
        WayIn::Plain => password("PLAIN"),
        WayIn::Scram256 => password("SCRAM-SHA-256"),
        WayIn::Scram512 => password("SCRAM-SHA-512"),
        WayIn::Iam => [("KAFKA_SASL_MECHANISM", "OAUTHBEARER"), ("AWS_REGION", secured_kafka::REGION)].map(text).into(),
        WayIn::Certificate => vec![
            ("KAFKA_SSL_CERTIFICATE_LOCATION", kafka.file("client.pem")),
            ("KAFKA_SSL_KEY_LOCATION", kafka.file("client.key")),
        ],
    };
    let protocol = if way == WayIn::Certificate { "SSL" } else { "SASL_SSL" };
    let always = [
        ("KAFKA_BOOTSTRAP_SERVERS", kafka.address(way)),
        ("KAFKA_SECURITY_PROTOCOL", protocol.to_owned()),
        ("KAFKA_SSL_CA_LOCATION", kafka.file("authority.pem")),
    ];
    always.into_iter().chain(signing_in).collect()
}

fn password(mechanism: &str) -> Vec<Variable> {
    let pairs = [
        ("KAFKA_SASL_MECHANISM", mechanism),
        ("KAFKA_SASL_USERNAME", secured_kafka::USERNAME),
        ("KAFKA_SASL_PASSWORD", secured_kafka::PASSWORD),
    ];
    pairs.map(|(name, value)| (name, value.to_owned())).into()
}

/// The same for lambda-local's poller, in librdkafka's words.
fn poller(variables: &[Variable]) -> Vec<Variable> {
    let words = [
        ("KAFKA_SECURITY_PROTOCOL", "security.protocol"),
        ("KAFKA_SASL_MECHANISM", "sasl.mechanism"),
        ("KAFKA_SASL_USERNAME", "sasl.username"),
        ("KAFKA_SASL_PASSWORD", "sasl.password"),
        ("KAFKA_SSL_CA_LOCATION", "ssl.ca.location"),
        ("KAFKA_SSL_CERTIFICATE_LOCATION", "ssl.certificate.location"),
        ("KAFKA_SSL_KEY_LOCATION", "ssl.key.location"),
    ];
    let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    words.into_iter().filter_map(|(name, word)| Some((word, value(name)?))).collect()
}

/// Whose token the secured Kafka takes.
fn credentials(secret: &str) -> Vec<Variable> {
    let pairs = [
        ("AWS_ACCESS_KEY_ID", secured_kafka::ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    pairs.map(|(name, value)| (name, value.to_owned())).into()
}

/// Both functions, with the poller coming in at `brokers`.
fn functions(
    stack: &Stack,
    brokers: String,
    poller: Vec<Variable>,
    variables: &[Variable],
    secret: &str,
) -> Result<Functions> {
    Functions::start(&Told {
        parameters: vec![
            ("KafkaBootstrapServers", brokers),
            ("MongoUri", stack.address("mongod")?.to_owned()),
            ("MongoDatabase", DATABASE.to_owned()),
            ("CapacityProviderArn", "local".to_owned()),
        ],
        variables: variables.to_vec(),
        poller,
        credentials: credentials(secret),
    })
}

/// The operator, told the same as the functions.
fn passbook(stack: &Stack, variables: &[Variable], secret: &str, args: &[&str]) -> Result<Output> {
    let mut command = Command::new(release_binary("passbook"));
    command.args(args).envs(variables.iter().cloned()).envs(credentials(secret));
    command.env("MONGODB_URI", stack.address("mongod")?).env("MONGODB_DATABASE", DATABASE);
    command.output().context("cannot run passbook")
}

/// What it printed, where it had nothing to complain of.
fn said(stack: &Stack, variables: &[Variable], args: &[&str]) -> Result<String> {
    let output = passbook(stack, variables, secured_kafka::SECRET, args)?;
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    ensure!(output.status.success(), "passbook {}: {}\n{out}{err}", args.join(" "), output.status);
    Ok(out)
}
