//! A check finds what has been planted.

use ledger::Position;
use ledger_store::Difference;
use mongodb::bson::{Document, doc};

use crate::harness::{Books, OnMongo};
use crate::log::{Log, TOPIC, batch, with_key};

/// Books of a few accounts, pages, holds and partitions.
async fn books() -> OnMongo {
    let mongo = OnMongo::new().await;
    let mut log = Log::of(0);
    let mut records = log.deposits("alice", 40);
    records.extend([log.request("alice", 10, 600), log.request("alice", 5, 600)]);
    records.extend(log.deposits("bob", 20));
    records.push(with_key(log.withdrawal("carol", 1), "k", 1));
    mongo.store.settle(&records).await;
    mongo.store.try_settle(batch(1, &Log::of(1).deposits("zoe", 3))).await.unwrap();
    mongo
}

#[tokio::test]
async fn books_that_are_right_are_counted() {
    let mongo = books().await;
    let checked = mongo.store.check().await.unwrap();
    assert_eq!((checked.accounts, checked.entries, checked.difference), (3, 65, None));
    mongo.drop().await;
}

#[tokio::test]
async fn empty_books_are_right() {
    let mongo = OnMongo::new().await;
    let checked = mongo.store.check().await.unwrap();
    assert_eq!((checked.accounts, checked.difference), (0, None));
    mongo.drop().await;
}

/// Plants a change and expects the sentence about it.
async fn expect(collection: &str, filter: Document, change: Document, sentence: &str) {
    let mongo = books().await;
    let changed = mongo.documents(collection).update_one(filter, change).await.unwrap();
    assert_eq!(changed.modified_count, 1, "nothing was planted for {sentence:?}");
    let difference = mongo.store.check().await.unwrap().difference.map(|difference| difference.to_string());
    assert_eq!(difference.as_deref(), Some(sentence));
    mongo.drop().await;
}

fn page(account: &str, number: i64) -> Document {
    doc! { "_id": { "account": account, "number": number } }
}

#[tokio::test]
async fn planted_differences_are_found() {
    let accounts = "accounts";
    let alice = || doc! { "_id": "alice" };
    let contra = doc! { "_id": "@world.EUR.1" };
    expect(accounts, contra, doc! { "$inc": { "balance": 2_i64 } }, "debits and credits in EUR differ by 2").await;
    let more = doc! { "$inc": { "balance": 7_i64 } };
    expect(accounts, alice(), more, "alice has a balance of 47, while its last entry leaves 40").await;
    let held = doc! { "$inc": { "held": 1_i64 } };
    expect(accounts, alice(), held, "alice holds 16, while its last entry leaves 15").await;
    let last_hold = format!("holds.{}", Position::new(1, 0, 41).unwrap());
    let hold_gone = doc! { "$unset": { &last_hold: "" } };
    let sentence = "the account alice cannot be: `held` is 15, while the open holds come to 10";
    expect(accounts, alice(), hold_gone, sentence).await;
    let hold_undone = doc! { "$unset": { &last_hold: "" }, "$inc": { "held": -5_i64 } };
    expect(accounts, alice(), hold_undone, "alice holds 10, while its last entry leaves 15").await;
    let limit = doc! { "$set": { "overdraft_limit": 1_000_000_i64 } };
    expect(accounts, alice(), limit, "alice has 1000025 available, while its last entry leaves 25").await;
    let sequence = doc! { "$inc": { "sequence": 1_i64 } };
    expect(accounts, alice(), sequence, "entry 34 of alice stands where entry 33 belongs").await;
    let tampered = doc! { "$set": { "entries.3.reference": "another" } };
    let sentence = "the digests of page 1 of alice do not make its head: an entry has been changed";
    expect("pages", page("alice", 1), tampered, sentence).await;
    let amount = doc! { "$inc": { "entries.0.amount": 5_i64 } };
    let sentence = "entry 17 of alice leaves 17, while the entries before it make that 22";
    expect("pages", page("alice", 1), amount, sentence).await;
    let shorter = doc! { "$pop": { "entries": 1 } };
    expect("pages", page("bob", 0), shorter, "page 0 of bob has 15 entries").await;
    let head = doc! { "$set": { "page.0.recorded_at": mongodb::bson::DateTime::from_millis(0) } };
    let sentence = "the digests of page 1 of bob do not make its head: an entry has been changed";
    expect(accounts, doc! { "_id": "bob" }, head, sentence).await;
}

#[tokio::test]
async fn pages_that_are_missing_or_nobodys_are_found() {
    let mongo = books().await;
    let alice = || "alice".parse().unwrap();
    mongo.documents("pages").delete_one(page("alice", 1)).await.unwrap();
    let difference = mongo.store.check().await.unwrap().difference;
    assert_eq!(difference, Some(Difference::PageMissing { account: alice(), page: 1 }));
    mongo.documents("pages").delete_one(page("alice", 0)).await.unwrap();
    let difference = mongo.store.check().await.unwrap().difference;
    assert_eq!(difference, Some(Difference::PageMissing { account: alice(), page: 0 }));
    mongo.documents("accounts").delete_one(doc! { "_id": "bob" }).await.unwrap();
    mongo.documents("accounts").delete_one(doc! { "_id": "alice" }).await.unwrap();
    let difference = mongo.store.check().await.unwrap().difference;
    assert_eq!(difference, Some(Difference::Orphan { account: "bob".parse().unwrap(), page: 0 }));
    mongo.drop().await;
}

/// Deletes documents from books with a dead letter, an unbooked outcome and an earlier generation, and expects the counts.
async fn expect_missing(deletions: &[(&str, Document)], generation: u16, applied: u64, found: u64) {
    let mongo = OnMongo::new().await;
    mongo.store.begin_generation(TOPIC, 1, 1, None).await.unwrap();
    let mut log = Log::of(0);
    let mut records = log.deposits("alice", 20);
    records.extend([log.unreadable("alice"), log.withdrawal("nobody", 1), log.deposit("bob", 1)]);
    mongo.store.settle(&records).await;
    mongo.store.begin_generation(TOPIC, 1, 2, None).await.unwrap();
    let mut log = Log { generation: 2, now: log.now, ..Log::of(0) };
    mongo.store.settle(&[log.deposit("carol", 1), log.withdrawal("nobody", 1), log.unreadable("carol")]).await;
    assert_eq!(mongo.store.check().await.unwrap().difference, None);
    for (collection, filter) in deletions {
        assert!(mongo.documents(collection).delete_many(filter.clone()).await.unwrap().deleted_count > 0);
    }
    // What an account has, its contra account has too: whoever deletes with care deletes both.
    let euros: i64 = if deletions.iter().any(|(name, _)| *name == "pages") { 20 } else { 0 };
    let contra = doc! { "_id": "@world.EUR.0" };
    mongo.documents("accounts").update_one(contra, doc! { "$inc": { "balance": euros } }).await.unwrap();
    let difference = mongo.store.check().await.unwrap().difference;
    assert_eq!(difference, Some(Difference::Outcomes { generation, partition: 0, applied, found }), "{deletions:?}");
    mongo.drop().await;
}

#[tokio::test]
async fn what_is_missing_is_missed() {
    let alice = [("accounts", doc! { "_id": "alice" }), ("pages", doc! { "_id.account": "alice" })];
    expect_missing(&alice, 1, 23, 3).await;
    let of_generation = |generation: u16, offset: u64| Position::new(generation, 0, offset).unwrap().to_string();
    expect_missing(&[("dead_letters", doc! { "_id": of_generation(1, 20) })], 1, 23, 22).await;
    expect_missing(&[("dead_letters", doc! { "_id": of_generation(2, 2) })], 2, 3, 2).await;
    expect_missing(&[("unbooked", doc! { "_id": format!("nobody.{}", of_generation(1, 21)) })], 1, 23, 22).await;
    expect_missing(&[("unbooked", doc! { "_id": format!("nobody.{}", of_generation(2, 1)) })], 2, 3, 2).await;
}

#[tokio::test]
async fn a_document_that_is_none_of_ours_is_named() {
    let mongo = books().await;
    let change = doc! { "$set": { "status": "merry" } };
    mongo.documents("accounts").update_one(doc! { "_id": "bob" }, change).await.unwrap();
    let error = mongo.store.check().await.unwrap_err();
    let sentence = "the document bob of the collection accounts is not as Passbook writes it: `status` is \"merry\", which cannot be";
    assert_eq!(error.to_string(), sentence);
    mongo.drop().await;
}
