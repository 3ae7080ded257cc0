//! The server: set up once, and not always there.

use std::net::TcpListener;
use std::time::Duration;

use futures::TryStreamExt;
use ledger_store::{ApplyFailure, MongoStore, Reading, Settling, StoreConfig};
use mongodb::IndexModel;
use mongodb::bson::doc;
use tokio::time::Instant;

use crate::harness::{Books, OnMongo, SETTLED_AT};
use crate::log::{Log, batch};

#[tokio::test]
async fn to_initialize_again_changes_nothing() {
    let mongo = OnMongo::new().await;
    for single_node_replica_set in [true, false] {
        mongo.store.initialize(single_node_replica_set).await.unwrap();
    }
    let names: Vec<String> = mongo.database.list_collection_names().await.unwrap();
    for name in ["accounts", "pages", "keys", "fences", "unbooked", "dead_letters"] {
        assert!(names.iter().any(|found| found == name), "{name} is missing in {names:?}");
    }
    let indexes: Vec<IndexModel> = mongo.documents("keys").list_indexes().await.unwrap().try_collect().await.unwrap();
    let expiry = indexes.iter().find(|index| index.keys == doc! { "swept_at": 1 }).unwrap();
    assert_eq!(expiry.options.as_ref().unwrap().expire_after, Some(Duration::ZERO));
    mongo.end().await;
}

#[tokio::test]
async fn every_lookup_has_an_index() {
    let mongo = OnMongo::new().await;
    for filter in [
        doc! { "first": { "$gte": "alice.000g000000000000", "$lte": "alice.000g000000000007" } },
        doc! { "holds": { "$in": ["000g000000000000"] } },
        doc! { "$or": [
            { "first": { "$gt": "alice.0", "$lte": "alice.1" } },
            { "others": { "$elemMatch": { "$gte": "alice.0", "$lte": "alice.1" } } },
        ] },
        doc! { "_id": { "$gte": { "account": "a", "number": 0_i64 }, "$lte": { "account": "a", "number": 9_i64 } } },
    ] {
        let explain = doc! { "explain": { "find": "pages", "filter": filter.clone() }, "verbosity": "queryPlanner" };
        let plan = mongo.database.run_command(explain).await.unwrap();
        let plan = plan.get_document("queryPlanner").unwrap().get_document("winningPlan").unwrap().to_string();
        assert!(plan.contains("IXSCAN") && !plan.contains("COLLSCAN"), "{filter}: {plan}");
    }
    mongo.end().await;
}

/// How often a collection was asked while the database was profiled.
async fn queries(mongo: &OnMongo, collection: &str) -> u64 {
    let asked = doc! { "op": "query", "command.find": collection };
    mongo.documents("system.profile").count_documents(asked).await.unwrap()
}

#[tokio::test]
async fn what_stands_in_no_turned_page_is_read_back_in_a_few_queries() {
    let mongo = OnMongo::new().await;
    let mut log = Log::of(0);
    let accounts: Vec<String> = (0..40).map(|at| format!("account-{at}")).collect();
    for account in &accounts {
        mongo.store.settle(&log.deposits(account, 20)).await;
    }
    let mut records = Vec::new();
    for (at, account) in accounts.iter().enumerate() {
        records.extend([log.withdrawal(&format!("nobody-{at}"), 1), log.unreadable(account), log.deposit(account, 1)]);
    }
    let first = mongo.store.settle(&records).await;
    mongo.database.run_command(doc! { "profile": 2 }).await.unwrap();
    let again = mongo.store.settle(&records).await;
    mongo.database.run_command(doc! { "profile": 0 }).await.unwrap();
    assert!(again.iter().zip(&first).all(|(again, first)| again.redelivered && again.applied == first.applied));
    for (collection, expected) in [("accounts", 1), ("unbooked", 1), ("dead_letters", 1), ("pages", 0)] {
        assert_eq!(queries(&mongo, collection).await, expected, "{collection}");
    }
    mongo.end().await;
}

#[tokio::test]
async fn what_stands_in_turned_pages_is_read_back_whole() {
    let mongo = OnMongo::new().await;
    let mut log = Log::of(0);
    let accounts: Vec<String> = (0..30).map(|at| format!("account-{at}")).collect();
    let mut records: Vec<_> = accounts.iter().flat_map(|account| log.deposits(account, 40)).collect();
    records.extend(accounts.iter().flat_map(|account| log.deposits(account, 20)));
    let first = mongo.store.settle(&records).await;
    let again = mongo.store.settle(&records).await;
    assert!(again.iter().zip(&first).all(|(again, first)| again.redelivered && again.applied == first.applied));
    mongo.end().await;
}

/// A store whose server is not there.
async fn away() -> MongoStore {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut config = StoreConfig::new(format!("mongodb://127.0.0.1:{port}"), "passbook");
    config.server_selection_timeout = Duration::from_millis(200);
    MongoStore::connect(config).await.unwrap()
}

#[tokio::test]
async fn a_server_that_is_away_is_told_from_other_failures() {
    let store = away().await;
    let id = "alice.000g000000000000".parse().unwrap();
    for error in [
        store.ping().await.unwrap_err(),
        store.transaction(&id).await.unwrap_err(),
        store.account(&id.account).await.unwrap_err(),
        store.statement(&id.account, None, 10).await.unwrap_err(),
        store.await_outcome(&id, Instant::now()).await.unwrap_err(),
        store.await_outcome(&id, Instant::now() + Duration::from_millis(500)).await.unwrap_err(),
        store.initialize(false).await.unwrap_err(),
    ] {
        assert!(error.is_unreachable() && error.retry_helps(), "{error}");
        assert!(error.to_string().starts_with("MongoDB cannot be reached"), "{error}");
    }
}

#[tokio::test]
async fn applying_gives_up_at_its_deadline_and_says_that_a_retry_helps() {
    let store = away().await;
    let deadline = Instant::now() + Duration::from_millis(700);
    let error =
        store.apply(batch(0, &Log::of(0).deposits("alice", 1)), SETTLED_AT, deadline).await.whole().unwrap_err();
    assert!(Instant::now() < deadline + Duration::from_millis(500));
    assert!(error.retry_helps(), "{error}");
    assert!(matches!(&error.failure, ApplyFailure::OutOfTime { last: Some(last) } if last.is_unreachable()), "{error}");
    assert!(
        error.to_string().starts_with("passbook.commands-0 from offset 0 on was not applied: out of time"),
        "{error}"
    );
}

#[tokio::test]
async fn a_deadline_that_has_passed_leaves_nothing() {
    let mongo = OnMongo::new().await;
    let records = Log::of(0).deposits("alice", 1);
    let error = mongo.store.apply(batch(0, &records), SETTLED_AT, Instant::now()).await.whole().unwrap_err();
    assert!(matches!(error.failure, ApplyFailure::OutOfTime { .. }));
    let long = Instant::now() + Duration::from_secs(20);
    let outcomes = mongo.store.apply(batch(0, &records), SETTLED_AT, long).await.whole().unwrap();
    assert_eq!(outcomes.len(), 1);
    mongo.end().await;
}

#[tokio::test]
async fn a_deadline_in_the_midst_of_applying_keeps_nobody_waiting() {
    let mongo = OnMongo::new().await;
    let mut log = Log::of(0);
    let mut waiting = Duration::ZERO;
    for millis in 0..20 {
        let records: Vec<_> = (0..300).map(|at| log.deposit(&format!("account-{at}"), 1)).collect();
        let soon = Instant::now() + Duration::from_millis(millis);
        if let Err(error) = mongo.store.apply(batch(0, &records), SETTLED_AT, soon).await.whole() {
            assert!(matches!(error.failure, ApplyFailure::OutOfTime { .. }), "{error}");
        }
        let start = Instant::now();
        let outcomes = mongo.store.apply(batch(0, &records), SETTLED_AT, start + Duration::from_secs(20)).await.whole();
        assert_eq!(outcomes.unwrap().len(), 300);
        waiting = waiting.max(start.elapsed());
    }
    assert!(waiting < Duration::from_secs(5), "waited {waiting:?} for a transaction that nobody wanted any more");
    mongo.end().await;
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    let error = MongoStore::connect(StoreConfig::new("http://127.0.0.1", "passbook")).await.unwrap_err();
    assert!(!error.is_unreachable(), "{error}");
}
