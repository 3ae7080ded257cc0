use http::StatusCode;
use ledger_store::StoreError;
use serde_json::json;

use std::time::Duration;

use tokio::time::Instant;

use super::{Counter, deposit, post_and_wait};

const FIRST: &str = "alice.000g000000000000";

#[tokio::test]
async fn a_transaction_is_accepted_until_it_is_settled() {
    let counter = Counter::new();
    counter.post(&deposit("alice", 5)).await;
    let path = format!("/transactions/{FIRST}");
    assert_eq!(counter.get(&path).await.body, json!({"id": FIRST, "status": "accepted"}));
    counter.settle().await;
    let answer = counter.get(&path).await;
    assert_eq!(
        (answer.status, &answer.body["status"], &answer.body["balance"]),
        (StatusCode::OK, &json!("posted"), &json!(5))
    );
}

#[tokio::test]
async fn a_client_may_wait_for_the_outcome() {
    let counter = Counter::new();
    let settled_meanwhile = async {
        counter.await_commands(1).await;
        counter.settle().await;
    };
    let request = post_and_wait(&deposit("alice", 5), 5);
    let (answer, ()) = futures::join!(counter.send(request), settled_meanwhile);
    assert_eq!((answer.status, &answer.body["status"]), (StatusCode::OK, &json!("posted")));
    assert_eq!(answer.headers["preference-applied"], "wait=5");
}

#[tokio::test]
async fn a_wait_that_ends_first_is_still_accepted() {
    let counter = Counter::new();
    let request = post_and_wait(&deposit("alice", 5), 0);
    assert_eq!(counter.send(request).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn an_idempotency_key_counts_once() {
    let counter = Counter::new();
    let keyed = |amount, key: &str| {
        let mut request = post_and_wait(&deposit("alice", amount), 5);
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        request
    };
    for (records, amount, key) in [(1, 5, "k"), (2, 5, "\"k\""), (3, 6, "k")] {
        let settled_meanwhile = async {
            counter.await_commands(records).await;
            counter.settle().await;
        };
        let (answer, ()) = futures::join!(counter.send(keyed(amount, key)), settled_meanwhile);
        match records {
            1 => assert_eq!(answer.headers.get("idempotency-replayed"), None),
            2 => {
                assert_eq!(answer.headers["idempotency-replayed"], "true");
                assert_eq!(answer.body["id"], FIRST);
            }
            _ => {
                assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
                assert_eq!(answer.body["type"], "/problems/idempotency-key-reused");
                assert!(answer.body["detail"].as_str().unwrap().contains("differs in amount;"), "{answer:?}");
            }
        }
    }
    assert_eq!(counter.get("/accounts/alice").await.body["balance"], 5);
}

#[tokio::test]
async fn an_account_and_its_book_are_read_newest_first() {
    let counter = Counter::new();
    for amount in 1..=20 {
        counter.post(&deposit("alice", amount)).await;
    }
    counter.settle().await;
    let account = counter.get("/accounts/alice").await.body;
    assert_eq!((&account["balance"], &account["sequence"], &account["held"]), (&json!(210), &json!(20), &json!(0)));
    let mut path = "/accounts/alice/transactions?limit=8".to_owned();
    let mut amounts = Vec::new();
    loop {
        let stretch = counter.get(&path).await.body;
        amounts
            .extend(stretch["transactions"].as_array().unwrap().iter().map(|entry| entry["amount"].as_i64().unwrap()));
        let Some(next) = stretch["next"].as_str() else { break };
        path = format!("/accounts/alice/transactions?limit=8&cursor={next}");
    }
    assert_eq!(amounts, (1..=20).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_not_there_is_a_404_and_what_cannot_be_there_a_400() {
    let counter = Counter::new();
    for (path, status, field) in [
        ("/accounts/nobody", 404, None),
        ("/accounts/nobody/transactions", 404, None),
        ("/accounts/@world", 400, Some("id")),
        ("/transactions/alice", 400, Some("id")),
        ("/transactions/alice.000g000000000000?wait=soon", 400, Some("wait")),
        ("/accounts/alice/transactions?limit=0", 400, Some("limit")),
        ("/accounts/alice/transactions?limit=501", 400, Some("limit")),
        ("/accounts/alice/transactions?cursor=x", 400, Some("cursor")),
        ("/accounts/alice/transactions?page=2", 400, Some("page")),
        ("/accounts/alice/transactions?Limit=2", 400, Some("Limit")),
        ("/accounts/alice/transactions?limit=2&limit=3", 400, Some("limit")),
        ("/accounts/alice?wait=2", 400, Some("wait")),
        ("/transactions/alice.000g000000000000?limit=2", 400, Some("limit")),
    ] {
        let answer = counter.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.body["field"].as_str()), (status, field), "{path}");
    }
}

#[tokio::test]
async fn an_account_id_may_come_percent_encoded() {
    let counter = Counter::new();
    counter.post(&deposit("cust:42", 5)).await;
    counter.settle().await;
    assert_eq!(counter.get("/accounts/cust%3A42").await.body["balance"], 5);
}

#[tokio::test]
async fn a_wait_tells_that_nobody_could_read_the_command() {
    let counter = Counter::new();
    let set_aside_meanwhile = async {
        counter.await_commands(1).await;
        counter.set_aside("it is of a later version").await;
    };
    let request = post_and_wait(&deposit("alice", 5), 5);
    let (answer, ()) = futures::join!(counter.send(request), set_aside_meanwhile);
    assert_eq!((answer.status, &answer.body["status"]), (StatusCode::OK, &json!("unreadable")), "{answer:?}");
    assert_eq!((&answer.body["id"], &answer.body["detail"]), (&json!(FIRST), &json!("it is of a later version")));
    assert_eq!(answer.headers["location"], format!("/transactions/{FIRST}"));
}

#[tokio::test]
async fn books_that_cannot_be_read_keep_no_command_out() {
    let counter = Counter::new();
    for (error, status) in [
        (StoreError::Conflict("busy".to_owned()), StatusCode::SERVICE_UNAVAILABLE),
        (StoreError::Setup("damaged".to_owned()), StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        counter.door.accounts.fail_reads(Some(error));
        let path = format!("/transactions/{FIRST}");
        for path in ["/accounts/alice", "/accounts/alice/transactions", path.as_str()] {
            assert_eq!(counter.get(path).await.status, status, "{path}");
        }
        let ready = counter.get("/ready").await;
        assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
        let said = ["log", "store", "settling", "type"].map(|name| ready.body[name].as_str().unwrap().to_owned());
        assert_eq!(said, ["ready", "away", "unknown", "/problems/not-ready"]);
        let request = post_and_wait(&deposit("alice", 5), 5);
        assert_eq!(counter.send(request).await.status, StatusCode::ACCEPTED);
    }
}

#[tokio::test]
async fn who_finds_no_place_waits_only_for_what_comes_soon() {
    let counter = Counter::new();
    // One place, and somebody has it.
    let place = counter.door.waits.begin(|| false);
    let began = Instant::now();
    let accepted = counter.send(post_and_wait(&deposit("alice", 5), 8)).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    assert_eq!(accepted.headers.get("preference-applied"), None, "it did not wait for so long");
    let found = counter.get(&format!("/transactions/{FIRST}?wait=8")).await;
    assert_eq!((found.status, &found.body["status"]), (StatusCode::OK, &json!("accepted")));
    assert!(began.elapsed() < Duration::from_secs(4), "nobody waited");
    // From now on the next command of the partition is about to be settled.
    counter.settle().await;
    let (settled, ()) = futures::join!(counter.send(post_and_wait(&deposit("alice", 5), 8)), async {
        counter.await_commands(2).await;
        counter.settle().await;
    });
    assert_eq!(settled.status, StatusCode::OK, "it waited briefly");
    let accepted = counter.send(post_and_wait(&deposit("alice", 5), 8)).await;
    assert_eq!((accepted.status, accepted.headers.get("preference-applied")), (StatusCode::ACCEPTED, None));
    counter.settle().await;
    drop(place);
    let waits = counter.send(post_and_wait(&deposit("alice", 5), 8));
    let settles = async {
        counter.await_commands(4).await;
        counter.settle().await;
    };
    let settled = futures::join!(waits, settles).0;
    assert_eq!((settled.status, &settled.headers["preference-applied"]), (StatusCode::OK, &"wait=8".parse().unwrap()));
}

#[tokio::test]
async fn what_waits_for_too_long_makes_the_door_not_ready_and_is_named() {
    let counter = Counter::new();
    let ready = counter.get("/ready").await;
    assert_eq!(
        (ready.status, ready.body),
        (StatusCode::OK, json!({"log": "ready", "store": "ready", "settling": "ready"}))
    );
    let Counter { log, door } = Counter::new();
    let counter = Counter { log, door: door.bearing(Duration::ZERO) };
    counter.post(&deposit("alice", 5)).await;
    let behind = counter.get("/ready").await;
    assert_eq!(behind.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((&behind.body["type"], &behind.body["settling"]), (&json!("/problems/not-ready"), &json!("behind")));
    assert_eq!(behind.body["oldest_unsettled"]["partition"], 0);
    let detail = behind.body["detail"].as_str().unwrap();
    assert!(detail.contains("partition 0") && detail.contains("has waited"), "{detail}");
}

#[tokio::test]
async fn however_many_ask_whether_all_is_ready_the_last_look_is_told() {
    let counter = Counter::new();
    assert_eq!(counter.get("/ready").await.status, StatusCode::OK);
    counter.door.accounts.fail_reads(Some(StoreError::Setup("damaged".to_owned())));
    assert_eq!(counter.get("/ready").await.status, StatusCode::OK, "within a second of the last look");
}
