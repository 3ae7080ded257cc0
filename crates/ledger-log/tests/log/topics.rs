//! Creating, describing and deleting the topics, and counting generations.

use ledger_log::{AppendError, COMMANDS, CommandLog, CreateTopics, GENERATIONS, OUTCOMES, TopicHealth, TopicsError};

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

use crate::broker::{Broker, LAYOUT, append, kafka, placement, tansu};

#[tokio::test]
async fn kafka_topics_come_and_go() {
    let broker = kafka().await;
    topics_come_and_go(&broker).await;
    let settings = |topic: &str, described: &[ledger_log::TopicDescription]| {
        described.iter().find(|found| found.topic == topic).unwrap().settings.clone()
    };
    let described = broker.topics.describe().await.unwrap();
    let has = |topic: &str, name: &str, value: &str| {
        let settings = settings(topic, &described);
        assert_eq!(settings.get(name).map(String::as_str), Some(value), "{topic}: {settings:?}");
    };
    has(COMMANDS, "message.timestamp.type", "LogAppendTime");
    has(COMMANDS, "retention.ms", "-1");
    has(COMMANDS, "min.insync.replicas", "1");
    has(OUTCOMES, "retention.ms", "604800000");
    has(GENERATIONS, "cleanup.policy", "compact");
    has(GENERATIONS, "message.timestamp.type", "LogAppendTime");
    for topic in [COMMANDS, OUTCOMES, GENERATIONS] {
        has(topic, "unclean.leader.election.enable", "false");
        has(topic, "compression.type", "producer");
    }
    assert_eq!(broker.topics.deviations().await.unwrap(), []);
    break_promises(&broker).await;
    let health = broker.topics.health().await.unwrap();
    let copies = |topic: &TopicHealth| (topic.partitions.len(), topic.replication_factor(), topic.troubles());
    assert_eq!(health.iter().map(copies).collect::<Vec<_>>(), [(4, 1, vec![]), (4, 1, vec![]), (1, 1, vec![])]);
    let log = broker.command_log();
    broker.topics.delete().await.unwrap();
    assert_eq!(copies(&broker.topics.health().await.unwrap()[0]), (0, 0, vec!["missing".to_owned()]));
    // The embedded broker goes on telling of a topic that it has deleted.
    let error = log.ping().await.unwrap_err();
    assert!(error.to_string().contains("passbook topics create"), "{error}");
}

/// What an operator, or a tool, may have set otherwise is named.
async fn break_promises(broker: &Broker) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &broker.address).create().unwrap();
    let commands = AlterConfig::new(ResourceSpecifier::Topic(COMMANDS))
        .set("unclean.leader.election.enable", "true")
        .set("retention.ms", "3600000");
    let outcomes = AlterConfig::new(ResourceSpecifier::Topic(OUTCOMES)).set("compression.type", "zstd");
    for changed in admin.alter_configs([&commands, &outcomes], &AdminOptions::new()).await.unwrap() {
        changed.unwrap();
    }
    let named: Vec<_> = broker.topics.deviations().await.unwrap();
    let named: Vec<_> = named.iter().map(|found| (found.setting.as_str(), found.value.as_str())).collect();
    let expected = [
        ("retention.ms", "3600000"),
        // What was set is no longer: the whole of a topic's settings is replaced.
        ("message.timestamp.type", "CreateTime"),
        ("unclean.leader.election.enable", "true"),
        ("compression.type", "zstd"),
    ];
    assert_eq!(named, expected);
}

#[tokio::test]
async fn tansu_topics_come_and_go() {
    topics_come_and_go(&tansu().await).await;
}

async fn topics_come_and_go(broker: &Broker) {
    assert_eq!(broker.topics.command_ends().await.unwrap(), []);
    broker.topics.begin_generation(placement(8), 1).await.unwrap();
    broker.topics.begin_generation(placement(9), 1).await.unwrap();
    assert_eq!(broker.topics.generation().await.unwrap(), Some(9));
    assert_eq!(broker.topics.create(LAYOUT).await.unwrap(), [COMMANDS, OUTCOMES]);
    assert_eq!(broker.topics.create(LAYOUT).await.unwrap(), [""; 0], "they are there already");
    let ends = broker.topics.command_ends().await.unwrap();
    assert_eq!(ends.len(), 4);
    assert!(
        ends.iter().enumerate().all(|(at, end)| usize::from(end.partition) == at && end.start == 0 && end.end == 0)
    );
    let topics: Vec<_> = broker
        .topics
        .describe()
        .await
        .unwrap()
        .into_iter()
        .map(|found| (found.topic, found.partitions.len()))
        .collect();
    assert_eq!(topics, [(COMMANDS.to_owned(), 4), (OUTCOMES.to_owned(), 4), (GENERATIONS.to_owned(), 1)]);
    assert_eq!(broker.topics.deviations().await.unwrap(), []);
    let log = broker.command_log();
    assert_eq!(log.ping().await, Ok(()));
    broker.topics.delete().await.unwrap();
    assert_eq!(broker.topics.command_ends().await.unwrap(), []);
    assert_eq!(broker.topics.generation().await.unwrap(), Some(9), "the count goes on");
    broker.topics.create(LAYOUT).await.unwrap();
}

#[tokio::test]
async fn more_replicas_than_brokers_are_refused() {
    let broker = kafka().await;
    let error = broker.topics.create(CreateTopics { partitions: 1, replication_factor: 3 }).await.unwrap_err();
    assert!(
        matches!(&error, TopicsError::Refused { action, .. } if action.contains("replication factor 3")),
        "{error}"
    );
}

#[tokio::test]
async fn without_topics_an_append_says_what_to_run() {
    let broker = kafka().await;
    broker.topics.begin_generation(placement(1), 1).await.unwrap();
    let log = broker.command_log();
    let error = append(&log).await.unwrap_err();
    let AppendError::Misconfigured { fix, .. } = &error else { panic!("{error}") };
    assert_eq!(fix, "run `passbook topics create`");
    assert!(!error.retry_helps() && !error.maybe_recorded());
}
