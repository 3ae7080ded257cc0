use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use serde_json::Value;
use system_tests::kafka::OUTCOMES;
use system_tests::secured_kafka::{SECRET, WayIn};
use system_tests::{Log, Stack, deposit};

use super::{functions, poller, said, variables, with_kafka};
use crate::shared::CALM;

pub(super) fn trials() -> Vec<Trial> {
    crate::trials!(
        &CALM, secured: a_deposit_settles_with_plain, a_deposit_settles_with_scram_256, a_deposit_settles_with_scram_512,
        a_deposit_settles_with_iam, a_deposit_settles_with_a_certificate,
    )
}

fn a_deposit_settles_with_plain(stack: &Stack) -> Result<()> {
    settles(stack, WayIn::Plain, "plain")
}

fn a_deposit_settles_with_scram_256(stack: &Stack) -> Result<()> {
    settles(stack, WayIn::Scram256, "scram-256")
}

fn a_deposit_settles_with_scram_512(stack: &Stack) -> Result<()> {
    settles(stack, WayIn::Scram512, "scram-512")
}

fn a_deposit_settles_with_iam(stack: &Stack) -> Result<()> {
    settles(stack, WayIn::Iam, "iam")
}

fn a_deposit_settles_with_a_certificate(stack: &Stack) -> Result<()> {
    settles(stack, WayIn::Certificate, "certificate")
}

fn settles(stack: &Stack, way: WayIn, account: &str) -> Result<()> {
    with_kafka(stack, |kafka| {
        let variables = variables(kafka, way);
        let operator = |args: &[&str]| said(stack, &variables, args);
        operator(&["store", "init"])?;
        operator(&["topics", "delete", "--yes"])?;
        operator(&["topics", "create", "--partitions", "2"])?;
        let described = operator(&["topics", "describe"])?;
        ensure!(described.contains("message.timestamp.type = LogAppendTime"), "{described}");
        // lambda-local's poller does not sign.
        let (brokers, poller) = match way {
            WayIn::Iam => (kafka.open(), Vec::new()),
            _ => (kafka.address(way), poller(&variables)),
        };
        let functions = functions(stack, brokers, poller, &variables, SECRET)?;
        let log = Log::connect(&kafka.open())?;
        let before = log.ends(OUTCOMES)?;
        let settled = functions.client().settle(&deposit(account, 2500))?;
        assert_eq!(
            (&settled["status"], &settled["balance"]),
            (&Value::from("posted"), &Value::from(2500)),
            "{settled}"
        );
        assert_eq!(functions.client().balance(account)?, 2500);
        let published = log.await_records(OUTCOMES, &before, 1)?;
        assert_eq!(published[0].key.as_deref(), Some(account.as_bytes()));
        let lag: Value = serde_json::from_str(&operator(&["lag", "--json"])?)?;
        assert_eq!(lag["lag"], 0, "{lag}");
        operator(&["check"])?;
        functions.finish(&[])
    })
}
