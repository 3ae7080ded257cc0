//! Those who are not let in: a client hears 503 in time and nothing of the cause, the log and the operator hear the
//! cause and what mends it, and nothing comes into the log.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use system_tests::kafka::COMMANDS;
use system_tests::secured_kafka::{SECRET, WayIn};
use system_tests::{Log, Stack, deposit, wait_until};

use super::{Variable, functions, passbook, said, variables, with_kafka};
use crate::shared::CALM;

pub(super) fn trials() -> Vec<Trial> {
    crate::trials!(
        &CALM, secured: a_wrong_password_is_named, an_unknown_authority_is_named, a_missing_certificate_is_named,
        a_wrong_secret_of_iam_is_named, missing_credentials_of_aws_are_named,
    )
}

/// The time-out of `api` in template.yaml, and what a busy machine may add.
const ANSWERED_WITHIN: Duration = Duration::from_secs(13);
const APPEND_TIMEOUT_MS: &str = "2000";

fn a_wrong_password_is_named(stack: &Stack) -> Result<()> {
    let with = |variables: &mut Vec<Variable>| {
        let password = variables.iter_mut().find(|(name, _)| *name == "KAFKA_SASL_PASSWORD");
        password.into_iter().for_each(|(_, value)| *value = "wrong".to_owned());
    };
    let cause = "invalid credentials with SASL mechanism SCRAM-SHA-512";
    turned_away(stack, WayIn::Scram512, with, SECRET, [cause, "check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"])
}

/// The certificates that the system trusts are not those of the test.
fn an_unknown_authority_is_named(stack: &Stack) -> Result<()> {
    let with = |variables: &mut Vec<Variable>| variables.retain(|(name, _)| *name != "KAFKA_SSL_CA_LOCATION");
    turned_away(stack, WayIn::Plain, with, SECRET, ["certificate verify failed", "set KAFKA_SSL_CA_LOCATION"])
}

fn a_missing_certificate_is_named(stack: &Stack) -> Result<()> {
    let is_clients = |name: &str| name.starts_with("KAFKA_SSL_CERTIFICATE") || name.starts_with("KAFKA_SSL_KEY");
    let with = |variables: &mut Vec<Variable>| variables.retain(|(name, _)| !is_clients(name));
    let remedy = "set KAFKA_SSL_CERTIFICATE_LOCATION and KAFKA_SSL_KEY_LOCATION";
    turned_away(stack, WayIn::Certificate, with, SECRET, ["alert bad certificate", remedy])
}

fn a_wrong_secret_of_iam_is_named(stack: &Stack) -> Result<()> {
    turned_away(stack, WayIn::Iam, |_| {}, "wrong", ["the signature is wrong", "kafka-cluster:Connect is allowed"])
}

fn missing_credentials_of_aws_are_named(stack: &Stack) -> Result<()> {
    with_kafka(stack, |kafka| {
        let mut variables = variables(kafka, WayIn::Iam);
        // Where no profile is.
        variables.push(("HOME", "/nonexistent".to_owned()));
        for words in [&["topics", "describe"][..], &["topics", "delete", "--yes"]] {
            let output = passbook(stack, &variables, "", &[words, &["--timeout", "2"]].concat())?;
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{complaint}");
            ensure!(complaint.contains("no token can be made to sign in with IAM in eu-west-1"), "{complaint}");
            ensure!(complaint.contains("set AWS_ACCESS_KEY_ID"), "{complaint}");
        }
        Ok(())
    })
}

fn turned_away(
    stack: &Stack,
    way: WayIn,
    spoil: impl FnOnce(&mut Vec<Variable>),
    secret: &str,
    named: [&str; 2],
) -> Result<()> {
    with_kafka(stack, |kafka| {
        let open = vec![("KAFKA_BOOTSTRAP_SERVERS", kafka.open())];
        said(stack, &open, &["store", "init"])?;
        said(stack, &open, &["topics", "create", "--if-missing"])?;
        let mut variables = variables(kafka, way);
        spoil(&mut variables);
        variables.push(("APPEND_TIMEOUT_MS", APPEND_TIMEOUT_MS.to_owned()));
        let functions = functions(stack, kafka.open(), Vec::new(), &variables, secret)?;
        let log = Log::connect(&kafka.open())?;
        let before = log.ends(COMMANDS)?;
        let describing = ["topics", "describe", "--timeout", "5"];
        let (answer, described) = thread::scope(|scope| {
            let described = scope.spawn(|| passbook(stack, &variables, secret, &describing));
            (functions.client().post(&deposit("nobody", 1)), described.join())
        });
        let (answer, described) = (answer?, described.ok().context("passbook panicked")??);
        answer.problem(503)?;
        ensure!(answer.header("Retry-After").is_some() && answer.took < ANSWERED_WITHIN, "{answer}");
        ensure!(!answer.to_string().contains(named[0]), "a client hears what is none of its business: {answer}");
        let complaint = String::from_utf8_lossy(&described.stderr).into_owned();
        assert_eq!(described.status.code(), Some(1), "{complaint}");
        for name in named {
            ensure!(complaint.contains(name), "passbook does not say {name:?}: {complaint}");
        }
        // A first request may have been given up before the brokers had turned anybody away.
        wait_until("api logs why", Duration::from_secs(30), || {
            let says_why = |line: &str| named.iter().all(|name| line.contains(name));
            let is_it = |line: &str| line.contains("a command was not accepted") && says_why(line);
            if functions.log("api").lines().any(is_it) {
                return Ok(Some(()));
            }
            functions.client().post(&deposit("nobody", 1))?.problem(503).map(|_| None)
        })
        .with_context(|| format!("{named:?} in {}", functions.log("api")))?;
        assert_eq!(log.ends(COMMANDS)?, before, "nothing came into the log");
        functions.finish(&[])
    })
}
