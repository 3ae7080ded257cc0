//! The door over a log and a store in memory: what it answers, and what then stands in the log.

mod holds;
mod reads;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Request, StatusCode};
use lambda_http::Body;
use ledger::Timestamp;
use ledger_log::{MemoryLog, StoredRecord};
use ledger_store::{Content, LogRecord, MemoryStore, PartitionBatch, Settling};
use ledger_wire::named_account;
use ledger_wire::record::{self, Place};
use serde_json::Value;
use tokio::time::Instant;

use crate::Door;

const NOW: Timestamp = Timestamp::from_epoch_ms(1_700_000_000_000);

/// A door with its log and its store at hand.
struct Counter {
    log: Arc<MemoryLog>,
    door: Door<Arc<MemoryLog>, MemoryStore>,
}

/// An answer as a client reads it.
#[derive(Debug)]
struct Received {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Counter {
    fn new() -> Self {
        let log = Arc::new(MemoryLog::new(1, 1));
        Self { door: Door::new(log.clone(), MemoryStore::default(), || NOW), log }
    }

    async fn send(&self, request: Request<Body>) -> Received {
        let (parts, body) = self.door.answer(request).await.into_parts();
        let text = match body {
            Body::Text(text) => text,
            other => panic!("a body of text, not {other:?}"),
        };
        Received { status: parts.status, headers: parts.headers, body: serde_json::from_str(&text).unwrap() }
    }

    async fn post(&self, body: &str) -> Received {
        self.send(post(body)).await
    }

    async fn get(&self, path: &str) -> Received {
        self.send(Request::builder().uri(path).body(Body::Empty).unwrap()).await
    }

    /// Until so many commands have come into the log.
    async fn await_commands(&self, count: usize) {
        while self.log.commands().len() < count {
            tokio::task::yield_now().await;
        }
    }

    /// Does what `settler` does with a first record that it cannot read.
    async fn set_aside(&self, why: &str) {
        let stored = self.log.commands().remove(0);
        self.apply(vec![log_record(stored, NOW, |_, key, value| Content::Unreadable {
            why: why.to_owned(),
            account: named_account(key, value),
        })])
        .await;
    }

    /// Does what `settler` does with everything in the log; what it has settled before is a redelivery.
    async fn settle(&self) {
        self.settle_at(|_| NOW).await;
    }

    /// The same, where the records have times of their own, by their offsets.
    async fn settle_at(&self, recorded_at: impl Fn(i64) -> Timestamp) {
        let read = |place, key: Option<&[u8]>, value: Option<&[u8]>| {
            Content::Command(record::decode(place, key, value).unwrap())
        };
        let commands = self.log.commands().into_iter();
        self.apply(
            commands
                .map(|stored| {
                    let at = recorded_at(stored.offset);
                    log_record(stored, at, read)
                })
                .collect(),
        )
        .await;
    }

    async fn apply(&self, records: Vec<LogRecord>) {
        let batch = PartitionBatch { topic: ledger_log::COMMANDS.to_owned(), partition: 0, records, voids: Vec::new() };
        let deadline = Instant::now() + Duration::from_secs(10);
        self.door.accounts.apply(batch, NOW, deadline).await.whole().unwrap();
    }
}

fn log_record(
    stored: StoredRecord,
    recorded_at: Timestamp,
    read: impl Fn(Place, Option<&[u8]>, Option<&[u8]>) -> Content,
) -> LogRecord {
    let place = Place { partition: 0, offset: stored.offset as u64, recorded_at };
    let content = read(place, stored.key.as_deref(), stored.value.as_deref());
    let StoredRecord { key, value, .. } = stored;
    LogRecord { offset: place.offset, recorded_at, stamped_by_broker: true, key, value, content }
}

fn post(body: &str) -> Request<Body> {
    Request::builder()
        .method(Method::POST)
        .uri("/transaction")
        .header("content-type", "application/json")
        .body(Body::Text(body.to_owned()))
        .unwrap()
}

/// A command whose client waits for the outcome.
fn post_and_wait(body: &str, seconds: u32) -> Request<Body> {
    let mut request = post(body);
    request.headers_mut().insert("prefer", format!("wait={seconds}").parse().unwrap());
    request
}

fn deposit(account: &str, amount: i64) -> String {
    format!(r#"{{"type":"deposit","account":"{account}","amount":{amount},"currency":"EUR"}}"#)
}
