use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, Once};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ledger_log::{MemoryLog, OutcomeRecord, StoredRecord};
use ledger_store::{ApplyFailure, MemoryStore, PartitionBatch, StoreError};
use ledger_wire::NewCommand;
use ledger_wire::record::encode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;

mod alarms;
mod gaps;
mod missed;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A settler with books and outcomes in memory, and the records it is sent.
struct Bench<S = MemoryStore> {
    settler: Settler<S, Arc<MemoryLog>, Arc<MemoryLog>>,
    /// The outcomes published, and the commands where the settler looks for itself.
    outcomes: Arc<MemoryLog>,
}

impl Bench {
    fn new() -> Self {
        Self::on(MemoryStore::default())
    }
}

impl<S: Settling> Bench<S> {
    fn on(store: S) -> Self {
        somebody_listens();
        let outcomes = Arc::new(MemoryLog::new(1, 4));
        Self { settler: Settler::new(store, outcomes.clone(), outcomes.clone()), outcomes }
    }

    /// Settles records by partition and gives what is to be delivered again.
    async fn settle(&self, records: &[(u16, Value)]) -> Vec<String> {
        self.settle_at(2_000, records).await.0
    }

    /// The same at a time, with what the delivery says of itself.
    async fn settle_at(&self, now_ms: i64, records: &[(u16, Value)]) -> (Vec<String>, Value) {
        let mut partitions: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for (partition, record) in records {
            partitions.entry(format!("passbook.commands-{partition}")).or_default().push(record);
        }
        let event = json!({ "eventSource": "aws:SelfManagedKafka", "records": partitions }).to_string();
        let deadlines = Deadlines::within(Duration::from_secs(60), Instant::now());
        let event = serde_json::from_str(&event).unwrap();
        let now = Timestamp::from_epoch_ms(now_ms);
        let (response, report) = self.settler.settle(event, now, deadlines).await;
        let identifiers = response.batch_item_failures.into_iter().map(|failure| failure.item_identifier);
        let failed = identifiers.map(|item| format!("{}@{}", item.partition, item.offset)).collect();
        (failed, serde_json::from_str(&report.line("settler", now, Duration::ZERO)).unwrap())
    }

    /// Puts records of partition 0 into the log; between them stand the markers of transactions.
    fn log(&self, records: impl IntoIterator<Item = Value>) {
        records.into_iter().for_each(|record| self.outcomes.place(stored(&record)));
    }

    /// The outcomes published so far, as `account status`, or `- unreadable`.
    fn published(&self) -> Vec<String> {
        let text = |outcome: &OutcomeRecord| {
            let body: Value = serde_json::from_slice(&outcome.value).unwrap();
            let account = outcome.account.as_ref().map_or("-", |account| account.as_str());
            format!("{account} {}", body["status"].as_str().unwrap())
        };
        self.outcomes.outcomes().iter().map(text).collect()
    }
}

/// A store that fails partition 0; it keeps the books of the others.
struct Faulty {
    books: MemoryStore,
    failure: Option<StoreError>,
}

impl Settling for Faulty {
    async fn apply(&self, batch: PartitionBatch, settled_at: Timestamp, deadline: Instant) -> Report {
        let (topic, partition, offset) = (batch.topic.clone(), batch.partition, batch.records[0].offset);
        match &self.failure {
            Some(failure) if partition == 0 => {
                let failure = ApplyFailure::Store(failure.clone());
                Report { failure: Some(ApplyError { topic, partition, offset, failure }), ..Report::default() }
            }
            _ => self.books.apply(batch, settled_at, deadline).await,
        }
    }

    async fn apply_together(
        &self,
        batches: Vec<PartitionBatch>,
        _: Timestamp,
        _: Instant,
    ) -> Result<Vec<Report>, Vec<PartitionBatch>> {
        Err(batches)
    }

    async fn mark_published(&self, marks: &[Published]) -> Result<(), StoreError> {
        self.books.mark_published(marks).await
    }
}

/// On every thread, and to no purpose. tracing remembers of each line of code whether anybody wants what it logs. With one
/// listener in the program it asks that of the thread that comes there first, and were nobody to listen on that one, a test
/// that listens on another would miss the line.
fn somebody_listens() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing_subscriber::fmt().with_writer(std::io::sink).init());
}

/// What is logged on this thread for as long as the guard lives.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    fn all(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap().clone();
        let lines = String::from_utf8(bytes).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn of_level(&self, level: &str) -> Vec<Value> {
        self.all().into_iter().filter(|line| line["level"] == level).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn record(offset: u64, key: &str, value: Option<&[u8]>) -> Value {
    let headers: Vec<i8> = TRACE.bytes().map(|byte| byte as i8).collect();
    json!({
        "topic": "passbook.commands", "partition": 0, "offset": offset, "timestamp": 1_000 + offset,
        "timestampType": "LOG_APPEND_TIME", "key": BASE64_STANDARD.encode(key),
        "value": value.map(|value| BASE64_STANDARD.encode(value)), "headers": [{ "traceparent": headers }],
    })
}

/// A record of an event as it stands in the log.
fn stored(record: &Value) -> StoredRecord {
    let bytes = |field: &Value| Some(BASE64_STANDARD.decode(field.as_str()?).unwrap());
    StoredRecord {
        partition: 0,
        offset: record["offset"].as_i64().unwrap(),
        key: bytes(&record["key"]),
        value: bytes(&record["value"]),
        traceparent: Some(TRACE.to_owned()),
        recorded_at: Some(Timestamp::from_epoch_ms(record["timestamp"].as_i64().unwrap())),
        stamped_by_broker: true,
    }
}

/// Deposits of alice's at these offsets of partition 0.
fn deposits(offsets: impl IntoIterator<Item = u64>) -> Vec<(u16, Value)> {
    offsets.into_iter().map(|offset| (0, deposit(offset, "alice"))).collect()
}

fn command(offset: u64, body: Value) -> Value {
    command_of(1, offset, body)
}

fn command_of(generation: u16, offset: u64, body: Value) -> Value {
    let command = NewCommand::from_body(body.to_string().as_bytes()).unwrap();
    record(offset, command.account.as_str(), Some(&encode(&command, generation)))
}

fn deposit(offset: u64, account: &str) -> Value {
    command(offset, json!({ "type": "deposit", "account": account, "amount": 100, "currency": "EUR" }))
}

fn withdrawal(offset: u64, account: &str) -> Value {
    command(offset, json!({ "type": "withdrawal", "account": account, "amount": 1_000, "currency": "EUR" }))
}

#[tokio::test]
async fn every_record_ends_as_one_outcome_with_its_trace() {
    let bench = Bench::new();
    assert_eq!(
        bench.settle(&[(0, deposit(0, "alice")), (0, withdrawal(1, "alice")), (3, deposit(0, "bob"))]).await,
        [""; 0]
    );
    assert_eq!(bench.published(), ["alice posted", "alice refused", "bob posted"]);
    for outcome in bench.outcomes.outcomes() {
        assert_eq!(outcome.traceparent.unwrap().as_str(), TRACE);
    }
    let first: Value = serde_json::from_slice(&bench.outcomes.outcomes()[0].value).unwrap();
    assert_eq!((&first["id"], &first["balance"]), (&json!("alice.000g000000000000"), &json!(100)));
}

#[tokio::test]
async fn a_partition_that_fails_names_all_its_records_and_holds_up_no_other() {
    let bench = Bench::new();
    let failed = bench.settle(&[(0, deposit(7, "alice")), (0, deposit(8, "alice")), (1, deposit(0, "bob"))]).await;
    assert_eq!(failed, ["passbook.commands-0@7", "passbook.commands-0@8"], "the records before 7 are missing");
    assert_eq!(bench.published(), ["bob posted"]);
}

#[tokio::test]
async fn what_is_delivered_again_changes_nothing_and_is_published_again() {
    let bench = Bench::new();
    assert_eq!(bench.settle(&[(0, deposit(0, "alice"))]).await, [""; 0]);
    assert_eq!(bench.settle(&[(0, deposit(0, "alice")), (0, deposit(1, "alice"))]).await, [""; 0]);
    assert_eq!(bench.published(), ["alice posted"; 3]);
    let balances: Vec<Value> = bench
        .outcomes
        .outcomes()
        .iter()
        .map(|outcome| serde_json::from_slice::<Value>(&outcome.value).unwrap()["balance"].clone())
        .collect();
    assert_eq!(balances, [100, 100, 200]);
}

#[tokio::test]
async fn what_nobody_can_read_is_set_aside_and_blocks_nothing() {
    let bench = Bench::new();
    let records = [
        (0, record(0, "alice", Some(b"\xff not a command"))),
        (0, record(1, "not an account!", None)),
        (0, deposit(2, "alice")),
    ];
    assert_eq!(bench.settle(&records).await, [""; 0]);
    assert_eq!(bench.published(), ["alice unreadable", "- unreadable", "alice posted"]);
    let ids = bench.outcomes.outcomes().into_iter().map(|outcome| {
        let body: Value = serde_json::from_slice(&outcome.value).unwrap();
        body["id"].as_str().map(str::to_owned)
    });
    let expected = [Some("alice.000g000000000000"), None, Some("alice.000g000000000002")];
    assert_eq!(ids.collect::<Vec<_>>(), expected.map(|id| id.map(str::to_owned)));
}

#[tokio::test]
async fn a_document_that_mongodb_does_not_take_fails_its_partition_and_is_said_once_as_an_error() {
    let (collection, id, message) = ("accounts", "alice".to_owned(), "it is larger than 16777216".to_owned());
    let failure = StoreError::Rejected { collection, id, code: 17419, message };
    let bench = Bench::on(Faulty { books: MemoryStore::default(), failure: Some(failure) });
    let lines = Lines::default();
    let guard = lines.listen();
    for _ in 0..3 {
        let failed = bench.settle(&[(0, deposit(0, "alice")), (1, deposit(0, "bob"))]).await;
        assert_eq!(failed, ["passbook.commands-0@0"]);
    }
    drop(guard);
    assert_eq!(bench.published(), ["bob posted"; 3]);
    let errors = lines.of_level("ERROR");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["partition"], 0);
    assert_eq!(
        errors[0]["message"],
        "the partition cannot be settled any further: passbook.commands-0 from offset 0 on was not applied: MongoDB \
         does not take the document alice of the collection accounts: it is larger than 16777216 (code 17419)"
    );
}

#[tokio::test]
async fn what_stands_before_a_fault_is_settled_and_only_the_rest_comes_again() {
    let bench = Bench::new();
    let failed = bench.settle(&[(0, deposit(0, "alice")), (0, deposit(1, "bob")), (0, deposit(3, "carol"))]).await;
    assert_eq!(failed, ["passbook.commands-0@3"]);
    assert_eq!(bench.published(), ["alice posted", "bob posted"]);
}

#[tokio::test]
async fn only_the_topic_of_the_books_is_settled() {
    let bench = Bench::new();
    let event = json!({ "records": { "mirror.passbook.commands-0": [deposit(0, "alice")] } }).to_string();
    let deadlines = Deadlines::within(Duration::from_secs(60), Instant::now());
    let event = serde_json::from_str(&event).unwrap();
    let (response, _) = bench.settler.settle(event, Timestamp::from_epoch_ms(2_000), deadlines).await;
    assert_eq!(response.batch_item_failures.len(), 1);
    assert_eq!(bench.published(), [""; 0]);
}

#[tokio::test]
async fn what_is_published_is_noted_in_the_fence() {
    let books = MemoryStore::default();
    let bench = Bench::on(books.clone());
    let published = || books.fences().iter().map(|fence| (fence.next_offset, fence.published)).collect::<Vec<_>>();
    assert_eq!(bench.settle(&[(0, deposit(0, "alice"))]).await, [""; 0]);
    assert_eq!(published(), [(1, 1)]);
    bench.outcomes.fail_publications(Some(PublishError::Misconfigured { reason: "no broker".to_owned() }));
    assert_eq!(bench.settle(&[(0, deposit(1, "alice"))]).await, ["passbook.commands-0@1"]);
    assert_eq!(published(), [(2, 1)]);
}

#[tokio::test]
async fn the_time_of_a_records_writer_decides_nothing() {
    let bench = Bench::new();
    let mut record = deposit(0, "alice");
    for kind in [json!("CREATE_TIME"), Value::Null] {
        record["timestampType"] = kind;
        assert_eq!(bench.settle(&[(0, record.clone())]).await, ["passbook.commands-0@0"]);
    }
    assert_eq!(bench.published(), [""; 0]);
}

#[tokio::test]
async fn a_record_ahead_of_the_clock_holds_its_partition_loudly_until_the_clock_is_there() {
    const SIX_MINUTES: i64 = 6 * 60_000;
    let bench = Bench::new();
    let mut ahead = deposit(1, "alice");
    ahead["timestamp"] = json!(2_000 + SIX_MINUTES);
    let records = [(0, deposit(0, "alice")), (0, ahead), (0, deposit(2, "alice")), (1, deposit(0, "bob"))];
    let lines = Lines::default();
    let guard = lines.listen();
    let (failed, line) = bench.settle_at(2_000, &records).await;
    drop(guard);
    assert_eq!(failed, ["passbook.commands-0@1", "passbook.commands-0@2"]);
    assert_eq!(line["PartitionsFailing"], json!(1), "{line}");
    let said = lines.of_level("WARN");
    assert!(said[0]["message"].as_str().unwrap().contains("360000 ms ahead of this machine's clock"), "{said:?}");
    assert_eq!(bench.published(), ["alice posted", "bob posted"]);
    assert_eq!(bench.settle_at(62_000, &records[1..3]).await.0, [""; 0], "clocks may differ by five minutes");
    assert_eq!(bench.published()[2..], ["alice posted"; 2]);
}

#[tokio::test]
async fn what_an_api_from_before_the_topic_was_created_anew_writes_is_set_aside() {
    let bench = Bench::new();
    let of = |generation, offset| {
        command_of(
            generation,
            offset,
            json!({ "type": "deposit", "account": "alice", "amount": 100, "currency": "EUR" }),
        )
    };
    for _delivery in 0..2 {
        assert_eq!(bench.settle(&[(0, of(2, 0)), (0, of(1, 1)), (0, of(2, 2))]).await, [""; 0]);
    }
    let each = ["alice posted", "alice unreadable", "alice posted"];
    assert_eq!(bench.published(), [each, each].concat(), "the second delivery tells the same");
    let last: Value = serde_json::from_slice(&bench.outcomes.outcomes()[5].value).unwrap();
    assert_eq!(last["balance"], 200);
    for at in [1, 4] {
        let set_aside: Value = serde_json::from_slice(&bench.outcomes.outcomes()[at].value).unwrap();
        let told = [&set_aside["id"], &set_aside["position"]];
        assert_eq!(told, ["alice.000g000000000001", "000g000000000001"], "what its client was told");
    }
}

#[tokio::test]
async fn what_the_event_source_still_holds_of_a_deleted_log_is_refused_and_the_new_log_settles() {
    let books = MemoryStore::default();
    books.begin_generation("passbook.commands", 1, 2, Some(Timestamp::from_epoch_ms(1_001))).unwrap();
    let bench = Bench::on(books);
    let of = |generation, recorded_at, offset: u64| {
        let body = json!({ "type": "deposit", "account": "alice", "amount": 100, "currency": "EUR" });
        let mut record = command_of(generation, offset, body);
        record["timestamp"] = json!(recorded_at);
        record
    };
    let in_flight = || [(0, of(1, 1_000, 0)), (0, of(1, 1_001, 1))];
    let lines = Lines::default();
    let guard = lines.listen();
    for _delivery in 0..3 {
        assert_eq!(bench.settle(&in_flight()).await, ["passbook.commands-0@0", "passbook.commands-0@1"]);
    }
    drop(guard);
    let errors = lines.of_level("ERROR");
    assert_eq!(errors.len(), 1, "{errors:?}");
    let said = errors[0]["message"].as_str().unwrap();
    assert!(said.contains("still holds records of a deleted log; restart it"), "{said}");
    assert_eq!(bench.published(), [""; 0]);
    assert_eq!(bench.settle(&[(0, of(2, 1_002, 0)), (0, of(1, 1_003, 1)), (0, of(2, 1_004, 2))]).await, [""; 0]);
    assert_eq!(bench.published(), ["alice posted", "alice unreadable", "alice posted"]);
}

#[tokio::test]
async fn outcomes_that_are_not_published_have_the_partition_delivered_again() {
    let bench = Bench::new();
    let error = PublishError::Misconfigured { reason: "no broker".to_owned() };
    bench.outcomes.fail_publications(Some(error));
    assert_eq!(bench.settle(&[(0, deposit(0, "alice"))]).await, ["passbook.commands-0@0"]);
    bench.outcomes.fail_publications(None);
    assert_eq!(bench.settle(&[(0, deposit(0, "alice"))]).await, [""; 0]);
    assert_eq!(bench.published(), ["alice posted"]);
}

#[tokio::test]
async fn records_are_settled_in_the_order_of_the_log_whatever_the_order_of_the_event() {
    let bench = Bench::new();
    assert_eq!(bench.settle(&[(0, withdrawal(1, "alice")), (0, deposit(0, "alice"))]).await, [""; 0]);
    assert_eq!(bench.published(), ["alice posted", "alice refused"]);
}

#[tokio::test]
async fn an_event_without_records_is_done() {
    let bench = Bench::new();
    assert_eq!(bench.settle(&[]).await, [""; 0]);
    assert_eq!(bench.published(), [""; 0]);
}
