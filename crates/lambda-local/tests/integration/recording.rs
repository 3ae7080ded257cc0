//! `record`: a stretch of a topic as an event.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::kafka::{Topic, brokers};
use crate::support::until;

fn record(topic: &Topic, words: &[&str]) -> Output {
    let mut record = Command::new(env!("CARGO_BIN_EXE_lambda-local"));
    record.args(["record", "--template", &topic.path("template.yaml")]).args(words).output().unwrap()
}

fn refused(topic: &Topic, words: &[&str]) -> String {
    let output = record(topic, words);
    assert!(!output.status.success() && output.stdout.is_empty(), "{words:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn offsets(event: &Value, topic: &Topic, partition: i32) -> Vec<i64> {
    let list = event["records"][format!("{}-{partition}", topic.name)].as_array().unwrap();
    list.iter().map(|record| record["offset"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn a_stretch_is_recorded_as_the_function_gets_it() {
    for brokers in brokers() {
        let topic = Topic::create(&brokers, "").await;
        topic.write(0..40).await;
        let output = record(&topic, &["--partition", "1", "--from", "3", "--count", "4"]);
        let event: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        assert_eq!(
            (&event["eventSource"], &event["bootstrapServers"]),
            (&json!("aws:SelfManagedKafka"), &json!(brokers))
        );
        assert_eq!(offsets(&event, &topic, 1), [3, 4, 5, 6]);
        assert_eq!(event["records"][format!("{}-1", topic.name)][0]["value"], "dmFsdWUgMTM=", "value 13, in base64");
        let file = topic.path("event.json");
        let to_the_end = ["--partition", "1", "--from", "8", "--count", "100", "-o", &file];
        assert!(record(&topic, &to_the_end).status.success());
        let event: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(offsets(&event, &topic, 1), [8, 9], "the log ends there");
        assert!(refused(&topic, &to_the_end).contains("--force"));
        assert!(record(&topic, &[&to_the_end[..], &["--force"]].concat()).status.success());
    }
}

#[tokio::test]
async fn a_header_whose_name_is_not_utf8_is_recorded_with_what_is() {
    let topic = Topic::create(&brokers().remove(0), "").await;
    topic.write_with_header(2, b"caf\xe9").await;
    let output = record(&topic, &["--partition", "2", "--from", "0", "--count", "1"]);
    let event: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let headers = &event["records"][format!("{}-2", topic.name)][0]["headers"];
    assert_eq!(headers, &json!([{"caf\u{fffd}": [118]}]));
}

#[tokio::test]
async fn recording_leaves_the_group_alone() {
    let topic = Topic::create(&brokers().remove(0), "").await;
    topic.write(0..8).await;
    assert!(record(&topic, &["--partition", "0", "--from", "0", "--count", "2"]).status.success());
    let program = topic.start(&[]);
    until("every record, from the beginning", async || topic.seen().len() == 8).await;
    assert!(record(&topic, &["--partition", "0", "--from", "0", "--count", "2"]).status.success());
    assert!(program.is_ready().await, "the group is as it was");
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let topic = Topic::create(&brokers().remove(0), "").await;
    topic.write(0..4).await;
    for (partition, from, why) in [
        ("4", "0", "has no partition 4: its partitions are 0 to 3"),
        ("0", "1", "has nothing at offset 1"),
        ("0", "7", "has nothing at offset 7"),
    ] {
        let said = refused(&topic, &["--partition", partition, "--from", from, "--count", "1"]);
        assert!(said.contains(why), "{said}");
    }
    let said = refused(&topic, &["--partition", "0", "--from", "0", "--count", "1", "--topic", "another"]);
    assert!(said.contains("no event source of the template reads another") && said.contains(&topic.name), "{said}");
    topic.forget_before(0, 1).await;
    topic.write(4..5).await;
    let said = refused(&topic, &["--partition", "0", "--from", "0", "--count", "1"]);
    assert!(said.contains("no longer has offset 0: its oldest record is at 1"), "{said}");
}
