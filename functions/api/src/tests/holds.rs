//! Who reads a withdrawal request is told what has become of its hold.

use ledger::Timestamp;
use serde_json::{Value, json};

use super::{Counter, NOW, deposit, post_and_wait};

const REQUEST: &str = "alice.000g000000000001";
/// When a hold of a minute, placed at [`NOW`], has expired.
const EXPIRED: Timestamp = Timestamp::from_epoch_ms(NOW.epoch_ms() + 60_000);

/// A counter with 1000 on an account, of which a request holds 400 for a minute.
async fn with_a_hold() -> Counter {
    let counter = Counter::new();
    counter.post(&deposit("alice", 1_000)).await;
    counter.post(&held(400)).await;
    counter
}

fn held(amount: i64) -> String {
    format!(
        r#"{{"type":"withdrawal_request","account":"alice","amount":{amount},"currency":"EUR","expires_in_seconds":60}}"#
    )
}

fn capture(amount: i64, is_final: bool) -> String {
    format!(
        r#"{{"type":"withdrawal","account":"alice","amount":{amount},"currency":"EUR","request":"{REQUEST}","final":{is_final}}}"#
    )
}

impl Counter {
    /// What the request says of its hold: asked for by itself, and in the book.
    async fn holds(&self) -> [Value; 2] {
        let alone = self.get(&format!("/transactions/{REQUEST}")).await.body;
        let book = self.get("/accounts/alice/transactions").await.body;
        let line = book["transactions"].as_array().unwrap().iter().find(|line| line["id"] == REQUEST).unwrap();
        for request in [&alone, line] {
            assert_eq!((&request["status"], &request["remaining"]), (&json!("posted"), &json!(400)));
        }
        [alone["hold"].clone(), line["hold"].clone()]
    }
}

#[tokio::test]
async fn an_open_hold_says_what_it_holds() {
    let counter = with_a_hold().await;
    counter.settle().await;
    let open = |remaining: i64| json!({"status": "open", "remaining": remaining});
    assert_eq!(counter.holds().await, [open(400), open(400)]);
    counter.post(&capture(150, false)).await;
    counter.settle().await;
    assert_eq!(counter.holds().await, [open(250), open(250)]);
}

#[tokio::test]
async fn a_hold_past_its_time_has_expired_though_no_command_has_come() {
    let mut counter = with_a_hold().await;
    counter.settle().await;
    counter.door.clock = || EXPIRED;
    let expired = json!({"status": "expired", "remaining": 0, "expired_at": "2023-11-14T22:14:20.000Z"});
    assert_eq!(counter.holds().await, [expired.clone(), expired]);
    assert_eq!(counter.get("/accounts/alice").await.body["available"], 1_000);
}

/// A deposit of 1 makes 401 available: the line that it leaves says which hold gave back the rest, and so does the request.
#[tokio::test]
async fn a_hold_that_expired_is_told_by_the_next_line_and_by_its_request() {
    let counter = with_a_hold().await;
    counter.post(&deposit("alice", 1)).await;
    counter.settle_at(|offset| if offset < 2 { NOW } else { EXPIRED }).await;
    let expired = json!({"status": "expired", "remaining": 0, "expired_at": "2023-11-14T22:14:20.000Z"});
    assert_eq!(counter.holds().await, [expired.clone(), expired]);
    let line = counter.get("/transactions/alice.000g000000000002").await.body;
    assert_eq!((&line["available"], &line["hold"]), (&json!(1_001), &Value::Null));
    let told = json!([{"request": REQUEST, "released": 400, "expired_at": "2023-11-14T22:14:20.000Z"}]);
    assert_eq!(line["expired"], told);
    let book = counter.get("/accounts/alice/transactions?limit=1").await.body;
    assert_eq!(book["transactions"][0]["expired"], told);
}

#[tokio::test]
async fn a_hold_that_was_used_names_what_ended_it() {
    let ended = |status: &str| json!({"status": status, "remaining": 0, "by": "alice.000g000000000002"});
    let release = format!(r#"{{"type":"release","account":"alice","request":"{REQUEST}"}}"#);
    for (command, status) in [(capture(100, true), "captured"), (release, "released")] {
        let counter = with_a_hold().await;
        counter.post(&command).await;
        counter.settle().await;
        assert_eq!(counter.holds().await, [ended(status), ended(status)]);
    }
}

#[tokio::test]
async fn how_a_hold_ended_is_found_beyond_the_lines_that_are_asked_for() {
    let counter = with_a_hold().await;
    for amount in 1..=600 {
        counter.post(&deposit("alice", amount)).await;
        if amount == 20 {
            counter.post(&capture(100, true)).await;
        }
    }
    counter.settle().await;
    let captured = json!({"status": "captured", "remaining": 0, "by": "alice.000g00000000000p"});
    assert_eq!(counter.get(&format!("/transactions/{REQUEST}")).await.body["hold"], captured);
    let book = counter.get("/accounts/alice/transactions?cursor=10").await.body;
    assert_eq!(book["transactions"][7]["hold"], captured, "{book}");
}

#[tokio::test]
async fn a_hold_that_ended_far_behind_its_request_is_said_to_have_ended() {
    let counter = with_a_hold().await;
    for amount in 1..=510 {
        counter.post(&deposit("alice", amount)).await;
    }
    counter.post(&capture(100, true)).await;
    counter.settle().await;
    let ended = json!({"status": "ended", "remaining": 0});
    assert_eq!(counter.get(&format!("/transactions/{REQUEST}")).await.body["hold"], ended);
}

/// The outcome that a key stands for may be old.
#[tokio::test]
async fn a_request_that_is_sent_again_says_what_has_become_of_its_hold() {
    let mut counter = Counter::new();
    counter.post(&deposit("alice", 1_000)).await;
    for records in [2, 3] {
        let mut request = post_and_wait(&held(400), 5);
        request.headers_mut().insert("idempotency-key", "k".parse().unwrap());
        let settles = async {
            counter.await_commands(records).await;
            counter.settle().await;
        };
        let answer = futures::join!(counter.send(request), settles).0.body;
        match records {
            2 => assert_eq!((&answer["remaining"], &answer["hold"]), (&json!(400), &Value::Null), "it was placed now"),
            _ => assert_eq!((&answer["id"], &answer["hold"]["status"]), (&json!(REQUEST), &json!("expired"))),
        }
        counter.door.clock = || EXPIRED;
    }
}
