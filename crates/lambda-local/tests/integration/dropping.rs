//! A local Lambda as a part of another program, which may drop it without a word, or fail to start it.

use std::path::Path;
use std::time::Duration;

use lambda_local::event_source::KafkaOptions;
use lambda_local::local::{Local, LocalError, Options};
use lambda_local::template::{self, Inputs};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::kafka::Topic;
use crate::support::{TEMPLATE, folder, is_alive, json, request, until};

fn options(topic: &Topic, template: &str) -> Options {
    plain(template, topic.folder.path(), &topic.variables())
}

fn plain(template: &str, folder: &Path, variables: &[(String, String)]) -> Options {
    let variables = variables.iter().cloned().collect();
    let inputs = Inputs { variables, region: "eu-west-1".to_owned(), ..Inputs::default() };
    Options {
        template: template::read(template, &inputs).unwrap(),
        binaries: folder.to_owned(),
        template_folder: folder.to_owned(),
        log_dir: Some(folder.to_owned()),
        region: "eu-west-1".to_owned(),
        max_environments: 4,
        max_waiting: 10,
        max_wait: Duration::from_secs(5),
        max_body_bytes: 64 * 1024 * 1024,
        idle: Duration::from_secs(600),
        kafka: Some(KafkaOptions { fast_retry: true, ..KafkaOptions::default() }),
        fast_retry: true,
    }
}

/// Everything that ran in this test's runtime has ended.
async fn until_nothing_runs() {
    until("the end of every task", async || Handle::current().metrics().num_alive_tasks() == 0).await;
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

#[tokio::test]
async fn one_that_is_dropped_leaves_no_process_no_task_and_its_groups() {
    let brokers = crate::kafka::brokers().remove(0);
    let topic = Topic::create(&brokers, "").await;
    topic.write(0..4).await;
    topic.fail_with("hold");
    let local = Local::start(&options(&topic, &topic.template), listener().await).unwrap();
    until("records in flight", async || !topic.seen().is_empty()).await;
    let status = json(request("GET", &format!("http://{}/status", local.address()), &[], b"").await.1);
    let environments = status["functions"][0]["environments"].as_array().unwrap().iter();
    // One that is only being started has no number yet.
    let pids: Vec<_> = environments.filter_map(|one| i32::try_from(one["pid"].as_i64()?).ok()).collect();
    assert!(!pids.is_empty() && pids.iter().all(|pid| is_alive(*pid)), "{status}");
    drop(local);
    until("the end of the processes", async || !pids.iter().any(|pid| is_alive(*pid))).await;
    until_nothing_runs().await;
    let asking: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
    let groups = asking.fetch_group_list(Some(&topic.name), Duration::from_secs(10)).unwrap();
    assert!(groups.groups().iter().all(|group| group.members().is_empty()), "it has left its group");
}

#[test]
fn a_runtime_that_is_dropped_with_one_comes_to_its_end() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _kept = runtime.block_on(async {
        let topic = Topic::create(&crate::kafka::brokers().remove(0), "").await;
        topic.write(0..4).await;
        topic.fail_with("hold");
        let local = Local::start(&options(&topic, &topic.template), listener().await).unwrap();
        until("records in flight", async || !topic.seen().is_empty()).await;
        (topic, local)
    });
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(runtime);
        ended.send(())
    });
    end.recv_timeout(Duration::from_secs(60)).unwrap();
}

#[test]
fn one_may_be_dropped_where_there_is_no_runtime() {
    for log_dir in [false, true] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (local, _folder) = runtime.block_on(async {
            let folder = folder(TEMPLATE);
            let mut options = plain(TEMPLATE, folder.path(), &[]);
            options.log_dir = log_dir.then(|| folder.path().to_owned());
            (Local::start(&options, listener().await).unwrap(), folder)
        });
        drop(local);
        drop(runtime);
    }
}

#[tokio::test]
async fn one_whose_second_event_source_cannot_be_polled_starts_nothing() {
    let brokers = crate::kafka::brokers().remove(0);
    let topic = Topic::create(&brokers, "").await;
    let second = json!({"Type": "MSK", "Properties": {"Stream": "arn:aws:kafka:eu-west-1:123456789012:cluster/c/u",
        "Topics": ["t"], "StartingPosition": "LATEST"}});
    let with_second = format!("{}        Second: {second}\n", topic.template);
    let refused = Local::start(&options(&topic, &with_second), listener().await).unwrap_err();
    assert!(matches!(refused, LocalError::EventSource(_)), "{refused}");
    until_nothing_runs().await;
}
