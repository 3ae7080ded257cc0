//! Settlers that run at once.

use futures::future::join_all;

use crate::harness::{Books, OnMongo};
use crate::log::{Log, batch};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_partitions_at_one_account_lose_nothing() {
    let mongo = OnMongo::new().await;
    let settle = |partition| {
        let store = mongo.store.clone();
        tokio::spawn(async move {
            let mut log = Log::of(partition);
            for size in [1, 7, 30, 2, 16, 50, 1, 1, 40, 3] {
                store.try_settle(batch(partition, &log.deposits("alice", size))).await.unwrap();
            }
        })
    };
    for done in join_all((0..4).map(settle)).await {
        done.unwrap();
    }
    let account = mongo.store.account_of("alice").await;
    assert_eq!((account.balance, account.sequence), (4 * 151, 4 * 151));
    let spent = mongo.store.spent();
    assert!(spent.attempts >= spent.batches && spent.batches >= 40, "{spent:?}");
    mongo.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_settlers_of_one_batch_one_settles_it() {
    let mongo = OnMongo::new().await;
    let mut log = Log::of(0);
    for _ in 0..10 {
        let records = log.deposits("alice", 25);
        let settle = || {
            let (store, records) = (mongo.store.clone(), records.clone());
            tokio::spawn(async move { store.settle(&records).await })
        };
        let outcomes: Vec<_> = join_all((0..3).map(|_| settle())).await.into_iter().map(Result::unwrap).collect();
        let settled = outcomes.iter().filter(|outcomes| outcomes.iter().all(|outcome| !outcome.redelivered)).count();
        let read_back = outcomes.iter().filter(|outcomes| outcomes.iter().all(|outcome| outcome.redelivered)).count();
        assert_eq!((settled, read_back), (1, 2));
        assert!(outcomes.windows(2).all(|pair| {
            pair[0].iter().zip(&pair[1]).all(|(a, b)| (a.position, &a.applied) == (b.position, &b.applied))
        }));
    }
    assert_eq!(mongo.store.account_of("alice").await.balance, 250);
    mongo.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_books_are_right_at_every_moment() {
    let mongo = OnMongo::new().await;
    let store = mongo.store.clone();
    let settler = tokio::spawn(async move {
        let mut log = Log::of(0);
        for _ in 0..60 {
            let records: Vec<_> = ["a", "b", "c"].iter().flat_map(|account| log.deposits(account, 9)).collect();
            store.settle(&records).await;
        }
    });
    let mut checks = 0;
    while !settler.is_finished() || checks == 0 {
        assert_eq!(mongo.store.check().await.unwrap().difference, None);
        checks += 1;
    }
    settler.await.unwrap();
    mongo.end().await;
}
