//! What stands in the collections, document by document.

use futures::TryStreamExt;
use ledger::PAGE_CAPACITY;
use mongodb::bson::{Document, doc};

use crate::harness::{Books, OnMongo, outcome};
use crate::log::{Log, batch, position, with_key};

async fn pages_of(mongo: &OnMongo, account: &str) -> Vec<Document> {
    let pages = mongo.documents("pages");
    let found = pages.find(doc! { "_id.account": account }).sort(doc! { "_id": 1 }).await.unwrap();
    found.try_collect().await.unwrap()
}

async fn document(mongo: &OnMongo, collection: &str, id: &str) -> Document {
    mongo.documents(collection).find_one(doc! { "_id": id }).await.unwrap().unwrap()
}

#[tokio::test]
async fn pages_turn_when_the_entry_after_their_last_arrives() {
    let mongo = OnMongo::new().await;
    let mut log = Log::of(0);
    let capacity = PAGE_CAPACITY as usize;
    let mut written = 0;
    for (more, pages) in [(capacity, 0), (1, 1), (capacity - 1, 1), (1, 2), (3 * capacity, 5), (5, 5)] {
        mongo.store.settle(&log.deposits("alice", more)).await;
        written += more;
        let found = pages_of(&mongo, "alice").await;
        assert_eq!(found.len(), pages, "after {written} entries");
        let open = document(&mongo, "accounts", "alice").await;
        assert_eq!(open.get_array("page").unwrap().len(), written - pages * capacity);
        for (number, page) in (0i64..).zip(&found) {
            assert_eq!(page.get_document("_id").unwrap(), &doc! { "account": "alice", "number": number });
            assert_eq!(page.get_array("entries").unwrap().len(), capacity);
            assert_eq!(page.get_i64("first_sequence").unwrap(), number * capacity as i64 + 1);
            assert_eq!(page.get_i64("last_sequence").unwrap(), (number + 1) * capacity as i64);
            assert_eq!(page.get_i64("opening_balance").unwrap(), number * capacity as i64);
            assert!(!page.contains_key("holds") && !page.contains_key("others"));
        }
    }
    mongo.end().await;
}

#[tokio::test]
async fn a_turned_page_holds_what_the_open_one_held() {
    let mongo = OnMongo::new().await;
    let mut log = Log::of(0);
    let first = [log.deposit("alice", 100), log.request("alice", 10, 600)];
    let outcomes = mongo.store.settle(&first).await;
    let hold = position(&first[1]);
    let open = document(&mongo, "accounts", "alice").await;
    let mut more = vec![log.capture("alice", hold, 4)];
    more.extend(log.deposits("alice", PAGE_CAPACITY as usize));
    mongo.store.settle(&more).await;
    let [page] = pages_of(&mongo, "alice").await.try_into().unwrap();
    let entries = page.get_array("entries").unwrap();
    assert_eq!(&entries[..2], open.get_array("page").unwrap().as_slice());
    let entry = &outcome(&outcomes[1]).entry;
    let expected = doc! {
        "position": hold.to_string(), "kind": "withdrawal_request", "amount": 10_i64, "currency": "EUR",
        "expires_in_seconds": 600_i64, "expires_at": date(entry.recorded_at.plus_seconds(600)), "reference": "at 2", "balance": 100_i64,
        "held": 10_i64, "recorded_at": date(entry.recorded_at), "settled_at": date(entry.settled_at),
    };
    assert_eq!(entries[1].as_document().unwrap(), &expected);
    assert_eq!(page.get_array("holds").unwrap(), &[hold.to_string().into()]);
    assert_eq!(page.get_str("first").unwrap(), format!("alice.{}", position(&first[0])));
    mongo.end().await;
}

fn date(at: ledger::Timestamp) -> mongodb::bson::DateTime {
    mongodb::bson::DateTime::from_millis(at.epoch_ms())
}

#[tokio::test]
async fn a_page_of_two_partitions_names_the_first_entry_of_each() {
    let mongo = OnMongo::new().await;
    let (mut one, mut two) = (Log::of(1), Log::of(2));
    mongo.store.try_settle(batch(1, &one.deposits("alice", 3))).await.unwrap();
    let of_two = two.deposits("alice", 40);
    let first_of_two = of_two[0].clone();
    mongo.store.try_settle(batch(2, &of_two)).await.unwrap();
    let pages = pages_of(&mongo, "alice").await;
    assert_eq!(pages[0].get_array("others").unwrap(), &[format!("alice.{}", position(&first_of_two)).into()]);
    assert!(!pages[1].contains_key("others"));
    mongo.end().await;
}

#[tokio::test]
async fn the_other_side_of_the_money_stands_in_the_contra_account() {
    let mongo = OnMongo::new().await;
    let mut log = Log::of(3);
    let records = [log.deposit("alice", 100), log.withdrawal("alice", 30), log.withdrawal("alice", 300)];
    mongo.store.try_settle(batch(3, &records)).await.unwrap();
    let contra = document(&mongo, "accounts", "@world.EUR.3").await;
    let balance_of = |contra: &Document| contra.get("balance").unwrap().to_string();
    assert_eq!((balance_of(&contra).as_str(), contra.get_i64("postings").unwrap()), ("-70", 2));
    mongo.store.try_settle(batch(3, &[log.withdrawal("alice", 70)])).await.unwrap();
    let contra = document(&mongo, "accounts", "@world.EUR.3").await;
    assert_eq!((balance_of(&contra).as_str(), contra.get_i64("postings").unwrap()), ("0", 3));
    mongo.end().await;
}

#[tokio::test]
async fn keys_dead_letters_and_fences_are_documents_of_their_own() {
    let mongo = OnMongo::new().await;
    let mut log = Log::of(0);
    let keyed = with_key(log.deposit("alice", 1), "k", 7);
    mongo.store.settle(&[keyed.clone(), log.unreadable("alice")]).await;
    let key = mongo.documents("keys").find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(key.get_document("_id").unwrap(), &doc! { "account": "alice", "key": "k" });
    assert_eq!(key.get_str("position").unwrap(), position(&keyed).to_string());
    assert_eq!(key.get_datetime("recorded_at").unwrap().timestamp_millis(), crate::log::START + 1_000);
    let days = (30 + 90) * 24 * 60 * 60 * 1_000;
    let settled_at = crate::harness::SETTLED_AT.epoch_ms();
    assert_eq!(key.get_datetime("swept_at").unwrap().timestamp_millis(), settled_at + days);
    let letter = document(&mongo, "dead_letters", "000g000000000001").await;
    assert_eq!(letter.get_binary_generic("value").unwrap(), b"\xff not JSON");
    assert_eq!(letter.get_str("topic").unwrap(), "passbook.commands");
    let fence = document(&mongo, "fences", "passbook.commands-0").await;
    assert_eq!((fence.get_i64("next_offset").unwrap(), fence.get_i32("generation").unwrap()), (2, 1));
    assert_eq!(mongo.store.fences().await.unwrap()[0].next_offset, 2);
    mongo.end().await;
}
