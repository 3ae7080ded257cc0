//! The sample events of `events/`, each answered as the file beside it says: by lambda-local and by AWS's own emulator here,
//! by `cargo lambda watch` in `watch`. What there is and what it is held against, `dev replay` knows.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::Value;
use system_tests::kafka::{COMMANDS, OUTCOMES, Record};
use system_tests::logs::Expected;
use system_tests::{Stack, deposit, root};

use crate::shared::CALM;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!(
        &CALM, events: lambda_local_answers_every_sample_as_written, runtime_interface_emulator_answers_every_sample_as_written,
        invoked_by_hand_a_sample_is_answered_the_same, recorded_batch_is_what_the_function_was_given,
        what_cannot_be_recorded_is_named,
    )
}

/// What the samples bring about, in the log of whatever ran `settler`.
pub(crate) const EXPECTED: [Expected; 2] = [
    Expected {
        log: "",
        says: "passbook.samples-60010 from offset 3 on was not applied: the batch starts at offset 3, the next to apply is 2",
        why: "events/kafka/filtered.json leaves a record out, and settler stops at the gap",
    },
    Expected {
        log: "",
        says: "Request payload deserialization into LambdaEvent<T> failed",
        why: "events/kafka/mistake-not-kafka.json is no event of Kafka's",
    },
];

/// Beside every sample that `settler` can read: what becomes of its records, in their order, by account.
const OUTCOMES_OF_SAMPLES: [(&str, &str); 10] = [
    ("sample-alice", "posted posted posted refused posted replayed"),
    ("sample-msk", "posted posted"),
    ("sample-several-a", "posted posted"),
    ("sample-several-b", "posted posted"),
    ("sample-several-c", "posted posted"),
    // Delivered, then delivered again with two more.
    ("sample-again", "posted posted posted posted posted posted"),
    // Two of them name it in their values, and have another key or none.
    ("sample-unreadable", "posted unreadable unreadable unreadable unreadable unreadable unreadable posted"),
    ("sample-tombstone", "posted unreadable posted"),
    ("sample-headers", "posted"),
    // The two before the gap.
    ("sample-filtered", "posted posted"),
];

const SELF_MANAGED: &str = "events/kafka/self-managed";

/// Replays every sample, which fails at the first answer that is another.
pub(crate) fn replay_all(stack: &Stack, how: &[&str]) -> Result<()> {
    let said = stack.dev(&[&["replay"], how].concat())?;
    let passed = said.lines().filter(|line| line.contains("as it says")).count();
    ensure!(passed > 0 && said.contains(&format!("{passed} passed, 0 failed")), "{said}");
    Ok(())
}

fn lambda_local_answers_every_sample_as_written(stack: &Stack) -> Result<()> {
    let log = stack.kafka()?;
    let before = log.ends(OUTCOMES)?;
    replay_all(stack, &[])?;
    let outcomes: Vec<Record> = log.records_since(OUTCOMES, &before)?;
    let mut by_account: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for outcome in &outcomes {
        let body = outcome.json()?;
        let id = body["id"].as_str().unwrap_or_default();
        let account = id.split('.').next().unwrap_or_default();
        by_account.entry(account.to_owned()).or_default().push(body["status"].as_str().unwrap_or_default().to_owned());
    }
    for (account, statuses) in OUTCOMES_OF_SAMPLES {
        let found = by_account.get(account).map(|found| found.join(" "));
        ensure!(found.as_deref() == Some(statuses), "{account:?} is to end as {statuses}, not as {found:?}");
    }
    Ok(())
}

fn runtime_interface_emulator_answers_every_sample_as_written(stack: &Stack) -> Result<()> {
    replay_all(stack, &["--rie"])
}

/// The answer that is written beside a sample which has nothing left out.
pub(crate) fn answer_of_self_managed() -> Result<Value> {
    json_in(&root().join(format!("{SELF_MANAGED}.answer.json")))
}

fn json_in(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

fn invoked_by_hand_a_sample_is_answered_the_same(stack: &Stack) -> Result<()> {
    let event = format!("{SELF_MANAGED}.json");
    for how in [&["invoke", "settler", &event][..], &["invoke", "settler", &event, "--rie"]] {
        let said = stack.dev(how)?;
        assert_eq!(serde_json::from_str::<Value>(&said).context(said)?, answer_of_self_managed()?);
    }
    Ok(())
}

fn recorded_batch_is_what_the_function_was_given(stack: &Stack) -> Result<()> {
    let (client, log) = (stack.client(), stack.kafka()?);
    let before = log.ends(COMMANDS)?;
    for amount in [5, 6, 7] {
        client.settle(&deposit("recorded", amount))?;
    }
    let records = log.records_since(COMMANDS, &before)?;
    let first = records.first().context("three deposits leave records")?;
    let (partition, from) = (first.partition.to_string(), first.offset.to_string());
    let file = stack.data().join("recorded.json");
    let path = file.to_str().context("the path is no text")?;
    let words = ["record", "--partition", &partition, "--from", &from, "--count", "2", "-o", path];
    stack.dev(&words)?;
    let event = json_in(&file)?;
    assert_eq!(event["bootstrapServers"], stack.brokers()?);
    let list = event["records"][format!("{COMMANDS}-{partition}")].as_array().context("the partition's list")?;
    let offsets: Vec<_> = list.iter().map(|record| record["offset"].as_i64()).collect();
    assert_eq!(offsets, [Some(first.offset), Some(first.offset + 1)], "{event}");
    assert_eq!(list[0]["timestamp"], first.timestamp_ms);
    assert_eq!(list[0]["headers"].as_array().map(Vec::len), Some(first.headers.len()));

    let said = stack.dev(&["invoke", "settler", path])?;
    assert_eq!(said.trim(), r#"{"batchItemFailures":[]}"#);
    assert_eq!(client.balance("recorded")?, 18, "it was settled before");

    let refused = stack.dev(&words).err().context("the file is there already")?.to_string();
    ensure!(refused.contains("is there already") && refused.contains("--force"), "{refused}");
    stack.dev(&[&words[..], &["--force"]].concat()).map(drop)
}

fn what_cannot_be_recorded_is_named(stack: &Stack) -> Result<()> {
    let end = stack.kafka()?.ends(COMMANDS)?[0].to_string();
    for (partition, from, why) in [
        ("99", "0", "has no partition 99: its partitions are 0 to 7"),
        ("0", end.as_str(), "has nothing at offset"),
        ("0", "x", "invalid digit"),
    ] {
        let words = ["record", "--partition", partition, "--from", from, "--count", "1"];
        let refused = stack.dev(&words).err().with_context(|| format!("it recorded {partition} {from}"))?;
        ensure!(refused.to_string().contains(why), "{refused:#}");
    }
    Ok(())
}
