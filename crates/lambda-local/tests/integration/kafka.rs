//! The Kafka event source against real brokers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nix::sys::signal::Signal;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Program, Stack, folder, run, until};

const PARTITIONS: i32 = 4;

pub(crate) fn brokers() -> Vec<String> {
    let kafka = std::env::var("PASSBOOK_TEST_KAFKA")
        .expect("PASSBOOK_TEST_KAFKA is not set: give the bootstrap servers of a broker, or run `cargo dev test`");
    [Some(kafka), std::env::var("PASSBOOK_TEST_TANSU").ok()].into_iter().flatten().collect()
}

/// A topic of its own on a broker, and what a function `reader` made of it.
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) template: String,
    pub(crate) folder: TempDir,
    config: ClientConfig,
    producer: FutureProducer,
}

impl Topic {
    pub(crate) async fn create(brokers: &str, properties: &str) -> Self {
        let name = format!("lambda-local-{}", uuid::Uuid::new_v4().simple());
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers);
        let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
        let topic = NewTopic::new(&name, PARTITIONS, TopicReplication::Fixed(1));
        for outcome in admin.create_topics([&topic], &AdminOptions::new()).await.unwrap() {
            outcome.unwrap();
        }
        let producer = config.clone().set("linger.ms", "5").create().unwrap();
        let template = template(brokers, &name, properties);
        let folder = folder(&template);
        Self { name, template, folder, config, producer }
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.folder.path().join(file).to_str().unwrap().to_owned()
    }

    /// What its function has to know.
    pub(crate) fn variables(&self) -> [(String, String); 3] {
        let values =
            [("RECORD_TO", self.path("records")), ("FAIL_WITH", self.path("fail")), ("TOPIC", self.name.clone())];
        values.map(|(name, value)| (name.to_owned(), value))
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Program {
        let variables = self.variables().map(|(name, value)| format!("{name}={value}"));
        let mut all: Vec<&str> = variables.iter().flat_map(|variable| ["--env", variable.as_str()]).collect();
        all.extend(arguments);
        Stack::run_in(self.folder.path(), &all)
    }

    fn poll(&self, endpoint: &str) -> Program {
        run(&[
            "poll",
            "--template",
            &self.path("template.yaml"),
            "--invoke",
            endpoint,
            "--listen",
            "127.0.0.1:0",
            "--fast-retry",
        ])
    }

    /// Writes records `<from>..<to>`, spread over the partitions.
    pub(crate) async fn write(&self, numbers: std::ops::Range<i32>) {
        self.write_at(numbers, now_s() * 1_000).await;
    }

    async fn write_at(&self, numbers: std::ops::Range<i32>, ms: i64) {
        let sent = numbers.map(|number| async move {
            let (key, value) = (number.to_string(), format!("value {number}"));
            let record = FutureRecord::to(&self.name).partition(number % PARTITIONS).key(&key).payload(&value);
            let record = record.timestamp(ms);
            self.producer.send(record, Duration::from_secs(30)).await.unwrap();
        });
        futures::future::join_all(sent).await;
    }

    /// Writes a record whose header has this name, of any bytes.
    pub(crate) async fn write_with_header(&self, partition: i32, name: &[u8]) {
        let header = Header { key: as_text(name), value: Some("v") };
        let headers = OwnedHeaders::new().insert(header);
        let record = FutureRecord::to(&self.name).partition(partition).key("k").payload("p").headers(headers);
        self.producer.send(record, Duration::from_secs(30)).await.unwrap();
    }

    /// Writes a record to each partition in one transaction, which ends one way or the other.
    async fn write_in_a_transaction(&self, commits: bool) {
        let mut config = self.config.clone();
        let producer: FutureProducer = config.set("transactional.id", &self.name).create().unwrap();
        let patience = Duration::from_secs(30);
        let name = self.name.clone();
        let transaction = async {
            let begin = producer.clone();
            let begun = tokio::task::spawn_blocking(move || {
                begin.init_transactions(patience).and_then(|()| begin.begin_transaction())
            });
            begun.await.unwrap().unwrap();
            for partition in 0..PARTITIONS {
                let record = FutureRecord::<str, str>::to(&name).partition(partition).payload("in a transaction");
                producer.send(record, patience).await.unwrap();
            }
            let end = producer.clone();
            let ended = tokio::task::spawn_blocking(move || match commits {
                true => end.commit_transaction(patience),
                false => end.abort_transaction(patience),
            });
            ended.await.unwrap().unwrap();
        };
        tokio::time::timeout(Duration::from_secs(60), transaction).await.unwrap();
    }

    /// Has the broker forget the records of a partition before an offset, as retention does.
    pub(crate) async fn forget_before(&self, partition: i32, offset: i64) {
        let admin: AdminClient<DefaultClientContext> = self.config.create().unwrap();
        let mut before = TopicPartitionList::new();
        before.add_partition_offset(&self.name, partition, Offset::Offset(offset)).unwrap();
        admin.delete_records(&before, &AdminOptions::new()).await.unwrap();
    }

    pub(crate) fn fail_with(&self, what: &str) {
        std::fs::write(self.path("fail"), what).unwrap();
    }

    /// Every batch the function was given: partition and offset of each record.
    fn batches(&self) -> Vec<Vec<(i32, i64)>> {
        let text = std::fs::read_to_string(self.path("records")).unwrap_or_default();
        let batch = |text: &str| {
            let lines = text.lines().filter(|line| !line.is_empty()).map(|line| {
                let mut words = line.split(' ');
                (words.next().unwrap().parse().unwrap(), words.next().unwrap().parse().unwrap())
            });
            lines.collect()
        };
        text.split("--\n").map(batch).filter(|batch: &Vec<_>| !batch.is_empty()).collect()
    }

    pub(crate) fn seen(&self) -> Vec<(i32, i64)> {
        self.batches().into_iter().flatten().collect()
    }
}

/// Kafka lets a header's name be any bytes; rdkafka only reads them.
#[expect(unsafe_code, reason = "rdkafka has no other way to write a name that is not UTF-8")]
fn as_text(name: &[u8]) -> &str {
    // SAFETY: it is copied as bytes, and never looked at as a text.
    unsafe { std::str::from_utf8_unchecked(name) }
}

/// Seconds since the epoch. What is much older a broker may throw away.
fn now_s() -> i64 {
    i64::try_from(lambda_local::clock::epoch_ms() / 1_000).unwrap()
}

fn template(brokers: &str, topic: &str, properties: &str) -> String {
    let start = if properties.contains("StartingPosition") { "" } else { "StartingPosition: TRIM_HORIZON" };
    format!(
        "Resources:
  Reader:
    Type: AWS::Serverless::Function
    Metadata: {{BuildProperties: {{Binary: reader}}}}
    Properties:
      Runtime: provided.al2023
      Timeout: 60
      Events:
        Records:
          Type: SelfManagedKafka
          Properties:
            KafkaBootstrapServers: [{brokers}]
            Topics: [{topic}]
            ConsumerGroupId: {topic}
            {start}
            MaximumBatchingWindowInSeconds: 0
            ProvisionedPollerConfig: {{MinimumPollers: 1}}
            FunctionResponseTypes: [ReportBatchItemFailures]
            {properties}
"
    )
}

/// Committed and end offset of each partition that a program has, as soon as the broker tells.
async fn positions(program: &Program) -> BTreeMap<i64, (Option<i64>, Option<i64>)> {
    let mut source = Value::Null;
    until("offsets", async || {
        source = program.status().await["event_sources"][0].clone();
        source["offsets"] == "known"
    })
    .await;
    let position = |partition: &Value| {
        (partition["partition"].as_i64().unwrap(), (partition["committed"].as_i64(), partition["end"].as_i64()))
    };
    source["partitions"].as_array().unwrap().iter().map(position).collect()
}

/// What is committed of each partition: of all four, once the program has them.
async fn all_committed(program: &Program) -> Vec<Option<i64>> {
    let mut committed = vec![];
    until("four partitions", async || {
        committed = positions(program).await.into_values().map(|(committed, _)| committed).collect();
        committed.len() == 4
    })
    .await;
    committed
}

async fn committed(program: &Program, partition: i64) -> Option<i64> {
    positions(program).await.get(&partition).and_then(|position| position.0)
}

async fn until_committed(program: &Program, per_partition: i64) {
    until("everything committed", async || {
        let positions = positions(program).await;
        positions.len() == 4
            && positions.values().all(|position| *position == (Some(per_partition), Some(per_partition)))
    })
    .await;
}

fn in_order(seen: &[(i32, i64)]) -> bool {
    (0..PARTITIONS).all(|partition| {
        let offsets: Vec<i64> = seen.iter().filter(|(of, _)| *of == partition).map(|(_, offset)| *offset).collect();
        offsets.windows(2).all(|pair| pair[0] < pair[1])
    })
}

#[tokio::test]
async fn every_record_reaches_the_function_once_in_order_and_is_committed() {
    for brokers in brokers() {
        let topic = Topic::create(&brokers, "BatchSize: 50").await;
        topic.write(0..400).await;
        let program = topic.start(&[]);
        until_committed(&program, 100).await;
        assert!(program.is_ready().await);
        topic.write(400..800).await;
        until_committed(&program, 200).await;
        let seen = topic.seen();
        assert_eq!((seen.len(), in_order(&seen)), (800, true), "nothing twice, nothing out of order");
        assert!(topic.batches().iter().all(|batch| batch.len() <= 50));
        let status = program.status().await;
        assert_eq!(status["event_sources"][0]["state"], "polling");
        // The group's offsets outlive the process.
        program.stop().await;
        let program = topic.start(&[]);
        topic.write(800..804).await;
        until_committed(&program, 201).await;
        assert_eq!(topic.seen().len(), 804);
    }
}

#[tokio::test]
async fn only_the_records_reported_as_failed_are_tried_again_and_they_hold_the_position() {
    for brokers in brokers() {
        let topic = Topic::create(&brokers, "BatchSize: 100").await;
        topic.fail_with("1:5 1:7");
        topic.write(0..40).await;
        let program = topic.start(&[]);
        until("retries", async || topic.batches().iter().filter(|batch| **batch == [(1, 5), (1, 7)]).count() >= 3)
            .await;
        until("commits", async || committed(&program, 0).await == Some(10)).await;
        assert_eq!(committed(&program, 1).await, Some(5));
        topic.write(40..48).await;
        until("the others go on", async || committed(&program, 0).await == Some(12)).await;
        assert!(!topic.seen().contains(&(1, 10)), "nothing of the failing partition overtakes");
        topic.fail_with("");
        until_committed(&program, 12).await;
    }
}

#[tokio::test]
async fn a_failed_batch_is_tried_again_whole_until_it_succeeds() {
    for brokers in brokers() {
        let topic = Topic::create(&brokers, "BatchSize: 100").await;
        topic.fail_with("error");
        topic.write(0..8).await;
        let program = topic.start(&[]);
        until("retries", async || topic.batches().len() >= 4).await;
        until("a state", async || program.status().await["event_sources"][0]["state"] == "retrying").await;
        assert_eq!(all_committed(&program).await, [None; 4], "nothing is committed");
        topic.fail_with("");
        until_committed(&program, 2).await;
        assert_eq!(topic.seen().into_iter().collect::<BTreeSet<_>>().len(), 8);
    }
}

#[tokio::test]
async fn a_batch_that_failed_often_enough_is_given_up_and_named() {
    for brokers in brokers() {
        let topic = Topic::create(&brokers, "MaximumRetryAttempts: 1").await;
        topic.fail_with("error");
        topic.write(0..4).await;
        let program = topic.start(&[]);
        until_committed(&program, 1).await;
        let line = program.log.lock().unwrap().iter().find(|line| line.contains("given up")).cloned().unwrap();
        let named = ["ERROR", &topic.name, "partition=", "first_offset=0", "last_offset=0", "records=1"];
        assert!(named.iter().all(|name| line.contains(name)), "{line}");
        let tries = topic.seen().iter().filter(|record| **record == (0, 0)).count();
        assert_eq!(tries, 2, "the first try and one retry");
    }
}

#[tokio::test]
async fn the_partitions_of_a_killed_poller_go_to_another() {
    for brokers in brokers() {
        let topic = Topic::create(&brokers, "BatchSize: 10").await;
        let functions = topic.start(&["--no-event-sources"]);
        let first = topic.poll(&functions.url);
        topic.write(0..40).await;
        until_committed(&first, 10).await;
        let second = topic.poll(&functions.url);
        until("a share", async || positions(&second).await.len() == 2 && positions(&first).await.len() == 2).await;
        drop(first);
        topic.write(40..80).await;
        until_committed(&second, 20).await;
        let seen: BTreeSet<_> = topic.seen().into_iter().collect();
        assert_eq!(seen.len(), 80, "nothing is lost");
    }
}

/// A broker never gives a partition to a second poller while the first one's function is still at its records.
#[tokio::test]
async fn a_partition_goes_to_another_poller_when_what_is_in_flight_is_done_and_committed() {
    for brokers in brokers() {
        let topic = Topic::create(&brokers, "BatchSize: 10").await;
        let functions = topic.start(&["--no-event-sources"]);
        topic.fail_with("hold");
        let first = topic.poll(&functions.url);
        topic.write(0..4).await;
        until("every record in flight", async || topic.seen().len() == 4).await;
        let second = topic.poll(&functions.url);
        until("a rebalance", async || first.log_says("revoked")).await;
        topic.write(4..80).await;
        topic.fail_with("");
        until("a share", async || positions(&second).await.len() == 2 && positions(&first).await.len() == 2).await;
        until("everything committed", async || {
            let both = [positions(&first).await, positions(&second).await];
            let mut both = both.iter().flatten();
            both.clone().count() == 4 && both.all(|(_, position)| *position == (Some(20), Some(20)))
        })
        .await;
        let seen = topic.seen();
        assert_eq!((seen.len(), in_order(&seen)), (80, true), "nothing twice, nothing out of order");
    }
}

#[tokio::test]
async fn asked_to_stop_a_poller_commits_the_batch_that_was_in_flight() {
    for brokers in brokers() {
        let topic = Topic::create(&brokers, "BatchSize: 100").await;
        topic.fail_with("hold");
        topic.write(0..4).await;
        let mut program = topic.start(&[]);
        until("every record in flight", async || topic.seen().len() == 4).await;
        program.signal(Signal::SIGTERM);
        until("the signal to arrive", async || program.log_says("stopping")).await;
        topic.fail_with("");
        program.end().await;
        let program = topic.start(&[]);
        topic.write(4..8).await;
        until_committed(&program, 2).await;
        assert_eq!(topic.seen().len(), 8, "nothing twice");
    }
}

#[tokio::test]
async fn what_comes_after_the_latest_is_delivered_however_often_the_poller_starts_anew() {
    for brokers in brokers() {
        let topic = Topic::create(&brokers, "StartingPosition: LATEST").await;
        topic.write(0..4).await;
        topic.fail_with("error");
        let program = topic.start(&[]);
        until("an assignment", async || program.is_ready().await).await;
        topic.write(4..8).await;
        until("every record tried", async || topic.seen().iter().collect::<BTreeSet<_>>().len() == 4).await;
        program.stop().await;
        topic.write(8..12).await;
        topic.fail_with("");
        let program = topic.start(&[]);
        until_committed(&program, 3).await;
        let seen: BTreeSet<_> = topic.seen().into_iter().map(|(_, offset)| offset).collect();
        assert_eq!(seen, BTreeSet::from([1, 2]), "nothing older than the latest, and everything since");
    }
}

#[tokio::test]
async fn a_starting_time_skips_what_is_older_and_the_end_is_where_nothing_is_younger() {
    // The embedded broker does not find the offsets of a time.
    let brokers = brokers().remove(0);
    let start = now_s() - 60;
    let properties = format!("StartingPosition: AT_TIMESTAMP\n            StartingPositionTimestamp: {start}");
    let topic = Topic::create(&brokers, &properties).await;
    // Partition 0 has one record of that time, the others only older ones.
    topic.write_at(0..8, (start - 60) * 1_000).await;
    topic.write_at(8..9, start * 1_000).await;
    let program = topic.start(&[]);
    until("the young record", async || topic.seen() == [(0, 2)]).await;
    until("an assignment", async || positions(&program).await.len() == 4).await;
    topic.write_at(9..12, (start + 1) * 1_000).await;
    until("what came later", async || topic.seen().len() >= 4).await;
    let seen: BTreeSet<_> = topic.seen().into_iter().collect();
    assert_eq!(seen, BTreeSet::from([(0, 2), (1, 2), (2, 2), (3, 2)]), "and nothing older");
}

#[tokio::test]
async fn nothing_is_committed_while_the_endpoint_is_away() {
    let brokers = brokers().remove(0);
    let topic = Topic::create(&brokers, "").await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    topic.write(0..4).await;
    let poller = topic.poll(&format!("http://{nobody}"));
    until("tries", async || poller.log_says("was not reached")).await;
    assert_eq!(all_committed(&poller).await, [None; 4], "nothing is committed");
}

#[tokio::test]
async fn a_record_whose_headers_name_is_not_utf8_is_delivered_and_what_comes_after_it() {
    for brokers in brokers() {
        let topic = Topic::create(&brokers, "").await;
        topic.write(0..4).await;
        topic.write_with_header(1, b"caf\xe9").await;
        topic.write(4..8).await;
        let program = topic.start(&[]);
        until("every record", async || topic.seen().len() == 9).await;
        until("its commit", async || committed(&program, 1).await == Some(3)).await;
        let source = program.status().await["event_sources"][0].clone();
        assert_eq!((&source["state"], &source["restarts"]), (&"polling".into(), &0.into()), "{source}");
    }
}

/// The marks at the ends of transactions take offsets, and are no records.
#[tokio::test]
async fn nothing_lags_for_the_marks_of_transactions_and_what_was_taken_back_is_not_delivered() {
    // The embedded broker has no transactions.
    let topic = Topic::create(&brokers().remove(0), "").await;
    let program = topic.start(&[]);
    until("an assignment", async || positions(&program).await.len() == 4).await;
    topic.write_in_a_transaction(false).await;
    until_committed(&program, 2).await;
    assert_eq!(topic.seen(), [], "taken back");
    topic.write_in_a_transaction(true).await;
    until_committed(&program, 4).await;
    let seen: BTreeSet<_> = topic.seen().into_iter().collect();
    assert_eq!(seen, (0..PARTITIONS).map(|partition| (partition, 2)).collect());
    program.stop().await;
    // What is passed over while nobody polls.
    topic.write_in_a_transaction(false).await;
    let program = topic.start(&["--kafka-config", "isolation.level=read_uncommitted"]);
    until_committed(&program, 6).await;
    assert_eq!(topic.seen().len(), 8, "as read_uncommitted has it");
}

/// What fails holds the position, whatever marks come after it.
#[tokio::test]
async fn a_mark_is_not_committed_before_the_record_that_fails() {
    let topic = Topic::create(&brokers().remove(0), "").await;
    topic.fail_with("error");
    topic.write_in_a_transaction(true).await;
    let program = topic.start(&[]);
    until("tries", async || topic.seen().len() > 8).await;
    assert_eq!(all_committed(&program).await, [None; 4]);
    topic.fail_with("");
    until_committed(&program, 2).await;
}

/// Whatever a topic, its broker or its writer compress with.
#[tokio::test]
async fn records_are_read_whatever_they_are_compressed_with() {
    for brokers in brokers() {
        let mut topic = Topic::create(&brokers, "").await;
        let program = topic.start(&[]);
        for (written, codec) in (1..).zip(["gzip", "snappy", "lz4", "zstd"]) {
            let config = topic.config.clone();
            topic.producer = { config }.set("linger.ms", "50").set("compression.type", codec).create().unwrap();
            topic.write(0..40).await;
            until_committed(&program, 10 * written).await;
            assert_eq!(topic.seen().len(), usize::try_from(40 * written).unwrap(), "{codec}");
        }
    }
}
