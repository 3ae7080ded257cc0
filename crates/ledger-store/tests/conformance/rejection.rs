//! What MongoDB does not take is said once, with its words and the document's name, and leaves nothing behind.

use std::time::Duration;

use ledger_store::{ApplyFailure, LogRecord, Settling, StoreError};
use mongodb::bson::{Document, doc};
use tokio::time::Instant;

use crate::harness::{Books, OnMongo, SETTLED_AT};
use crate::log::{Log, batch};

/// Settles records that MongoDB is not to take: one attempt, and the document and the code that are said.
async fn rejection_of(mongo: &OnMongo, records: &[LogRecord]) -> (&'static str, String, i32) {
    let before = mongo.store.spent();
    let deadline = Instant::now() + Duration::from_secs(20);
    let error = mongo.store.apply(batch(0, records), SETTLED_AT, deadline).await.whole().unwrap_err();
    assert_eq!(mongo.store.spent().since(&before).attempts, 1, "{error}");
    assert!(!error.retry_helps(), "{error}");
    let said = error.to_string();
    match error.failure {
        ApplyFailure::Store(StoreError::Rejected { collection, id, code, message }) => {
            assert!(said.contains(&message) && said.contains(&id) && said.contains(&code.to_string()), "{said}");
            (collection, id, code)
        }
        _ => panic!("{said}"),
    }
}

async fn set_rule(mongo: &OnMongo, rule: Document) {
    mongo.database.run_command(doc! { "collMod": "accounts", "validator": rule }).await.unwrap();
}

#[tokio::test]
async fn an_account_that_breaks_a_rule_of_its_collection_is_named() {
    let mongo = OnMongo::new().await;
    let mut log = Log::of(0);
    mongo.store.settle(&[log.deposit("alice", 500), log.deposit("bob", 1)]).await;
    set_rule(&mongo, doc! { "balance": { "$lt": 1_000_i64 } }).await;
    let records = [log.deposit("bob", 1), log.deposit("alice", 600), log.deposit("carol", 1)];
    assert_eq!(rejection_of(&mongo, &records).await, ("accounts", "alice".to_owned(), 121));
    assert_eq!((mongo.store.account_of("alice").await.balance, mongo.store.account_of("bob").await.balance), (500, 1));
    set_rule(&mongo, doc! { "_id": { "$ne": "carol" } }).await;
    assert_eq!(rejection_of(&mongo, &records).await, ("accounts", "carol".to_owned(), 121));
    set_rule(&mongo, doc! {}).await;
    mongo.store.settle(&records).await;
    assert_eq!(mongo.store.account_of("alice").await.balance, 1_100);
    mongo.end().await;
}

#[tokio::test]
async fn an_account_that_grew_too_large_is_named() {
    let mongo = OnMongo::new().await;
    let mut log = Log::of(0);
    mongo.store.settle(&[log.deposit("alice", 1), log.deposit("bob", 1)]).await;
    let filler = "x".repeat(16 * 1024 * 1024 - 1_500);
    let grow = doc! { "$set": { "filler": filler } };
    mongo.documents("accounts").update_one(doc! { "_id": "alice" }, grow).await.unwrap();
    let mut records = log.deposits("bob", 1);
    records.extend(log.deposits("alice", 12));
    let (collection, id, code) = rejection_of(&mongo, &records).await;
    assert_eq!((collection, id.as_str()), ("accounts", "alice"));
    assert!([10334, 17280, 17419].contains(&code), "{code}");
    assert_eq!(mongo.store.account_of("bob").await.balance, 1);
    mongo.end().await;
}

#[tokio::test]
async fn a_page_that_stands_where_another_is_to_stand_is_named() {
    let mongo = OnMongo::new().await;
    let mut log = Log::of(0);
    mongo.store.settle(&log.deposits("alice", 10)).await;
    let planted = doc! { "_id": { "account": "alice", "number": 0_i64 } };
    mongo.documents("pages").insert_one(&planted).await.unwrap();
    let records = log.deposits("alice", 10);
    let id = r#"{ "account": "alice", "number": 0 }"#.to_owned();
    assert_eq!(rejection_of(&mongo, &records).await, ("pages", id, 11000));
    mongo.documents("pages").delete_one(planted).await.unwrap();
    mongo.store.settle(&records).await;
    assert_eq!(mongo.store.account_of("alice").await.balance, 20);
    mongo.end().await;
}

/// What a duplicate key means stands on this: a document that another transaction has inserted since the snapshot was
/// taken is a conflict of writes, so that a duplicate was there when the transaction read.
#[tokio::test]
async fn what_was_inserted_since_the_snapshot_is_a_conflict_and_no_duplicate() {
    let mongo = OnMongo::new().await;
    for collection in ["accounts", "pages", "keys", "unbooked", "dead_letters"] {
        let documents = mongo.documents(collection);
        let mut session = mongo.database.client().start_session().await.unwrap();
        session.start_transaction().await.unwrap();
        assert_eq!(documents.find_one(doc! { "_id": 7 }).session(&mut session).await.unwrap(), None);
        documents.insert_one(doc! { "_id": 7 }).await.unwrap();
        let error = documents.insert_one(doc! { "_id": 7 }).session(&mut session).await.unwrap_err();
        assert!(error.contains_label(mongodb::error::TRANSIENT_TRANSACTION_ERROR), "{collection}: {error}");
    }
    mongo.drop().await;
}
