//! Several partitions in one transaction: all of it is applied, or all is given back.

use std::time::Duration;

use ledger_store::{LogRecord, MemoryStore, PartitionBatch, Report, Settling, Store};
use tokio::time::Instant;

use crate::harness::{Books, OnMongo, SETTLED_AT, is_posted, on_both_stores};
use crate::log::{Log, batch};

on_both_stores!(
    each_partition_has_its_own_report,
    what_is_delivered_again_beside_something_new_keeps_its_outcome,
    where_one_is_at_fault_all_is_given_back_and_nothing_applied,
    batches_of_nothing_are_reported_too,
);

async fn apply_together(
    store: &impl Settling,
    batches: Vec<PartitionBatch>,
) -> Result<Vec<Report>, Vec<PartitionBatch>> {
    store.apply_together(batches, SETTLED_AT, Instant::now() + Duration::from_secs(20)).await
}

async fn each_partition_has_its_own_report(store: impl Books) {
    store.begin(1, None).await;
    let (mut first, mut second) = (Log::of(0), Log::of(7));
    let batches = vec![
        batch(0, &[first.deposit("alice", 5), first.withdrawal("alice", 2), first.withdrawal("nobody", 1)]),
        batch(7, &[second.deposit("bob", 70), second.unreadable("bob")]),
    ];
    let reports = apply_together(&store, batches).await.unwrap();
    let outcomes: Vec<_> = reports.into_iter().map(|report| report.whole().unwrap()).collect();
    assert_eq!(outcomes.iter().map(Vec::len).collect::<Vec<_>>(), [3, 2]);
    assert!(outcomes.iter().flatten().all(|applied| !applied.redelivered));
    let alice = store.account_of("alice").await;
    assert_eq!((alice.balance, alice.sequence), (3, 2));
    // Partition 7 was added after the generation began: nothing of an account stands in it.
    assert_eq!(store.account(&"bob".parse().unwrap()).await.unwrap(), None);
    let reached: Vec<_> = store.progress().await.unwrap().into_iter().map(|(at, (_, next))| (at, next)).collect();
    assert!(reached.contains(&(0, 3)) && reached.contains(&(7, 2)), "{reached:?}");
}

async fn what_is_delivered_again_beside_something_new_keeps_its_outcome(store: impl Books) {
    let (mut first, mut second) = (Log::of(0), Log::of(1));
    let (again, new) = ([first.deposit("alice", 5)], [second.deposit("bob", 70)]);
    let before = store.settle(&again).await;
    for redelivered in [false, true] {
        let reports = apply_together(&store, vec![batch(0, &again), batch(1, &new)]).await.unwrap();
        let [first, second] = &reports[..] else { panic!("{reports:?}") };
        assert_eq!((&first.outcomes[0].applied, first.outcomes[0].redelivered), (&before[0].applied, true));
        assert!(is_posted(&second.outcomes[0]));
        assert_eq!(second.outcomes[0].redelivered, redelivered);
    }
    assert_eq!((store.account_of("alice").await.balance, store.account_of("bob").await.balance), (5, 70));
}

async fn where_one_is_at_fault_all_is_given_back_and_nothing_applied(store: impl Books) {
    let (mut first, mut second) = (Log::of(0), Log { next: 4, ..Log::of(1) });
    let batches = vec![batch(0, &[first.deposit("alice", 5)]), batch(1, &[second.deposit("bob", 70)])];
    let given_back = apply_together(&store, batches.clone()).await.unwrap_err();
    let records = |batches: &[PartitionBatch]| -> Vec<Vec<LogRecord>> {
        batches.iter().map(|batch| batch.records.clone()).collect()
    };
    assert_eq!(records(&given_back), records(&batches));
    assert_eq!(store.account(&"alice".parse().unwrap()).await.unwrap(), None);
    assert!(is_posted(&store.try_settle(batches[0].clone()).await.unwrap()[0]), "nothing is in the way of it alone");
}

async fn batches_of_nothing_are_reported_too(store: impl Books) {
    let (mut first, mut second) = (Log::of(0), Log::of(1));
    let two = [batch(0, &[first.deposit("alice", 5)]), batch(1, &[second.deposit("bob", 5)])];
    let reports = apply_together(&store, [&[batch(3, &[])], &two[..], &[batch(4, &[])]].concat()).await.unwrap();
    assert_eq!(reports.iter().map(|report| report.outcomes.len()).collect::<Vec<_>>(), [0, 1, 1, 0]);
    assert!(apply_together(&store, Vec::new()).await.is_err(), "there is nothing to put together");
}

/// Eight partitions with a command each.
fn eight() -> Vec<PartitionBatch> {
    (0..8).map(|at| batch(at, &[Log::of(at).deposit(&format!("account-{at}"), 1)])).collect()
}

async fn are_one_transaction<B: ledger_store::Books>(store: &Store<B>) {
    for expected in [1, 2] {
        let reports = apply_together(store, eight()).await.unwrap();
        assert!(reports.iter().all(|report| report.failure.is_none() && report.outcomes.len() == 1), "{reports:?}");
        assert_eq!((store.spent().attempts, store.spent().batches), (expected, expected));
    }
}

#[tokio::test]
async fn eight_small_partitions_are_one_transaction_in_memory() {
    are_one_transaction(&MemoryStore::default()).await;
}

#[tokio::test]
async fn eight_small_partitions_are_one_transaction_on_mongodb() {
    let mongo = OnMongo::new().await;
    are_one_transaction(&mongo.store).await;
    mongo.end().await;
}

/// As the settler does it.
async fn settle(store: &impl Books, batches: Vec<PartitionBatch>) -> Vec<Report> {
    match apply_together(store, batches).await {
        Ok(reports) => reports,
        Err(batches) => futures::future::join_all(batches.into_iter().map(|batch| store.report_on(batch))).await,
    }
}

/// Both read one moment's fences; whoever writes them later has read what is over, and is told so.
#[tokio::test]
async fn two_settlers_of_the_same_partitions_settle_each_command_once() {
    let mongo = OnMongo::new().await;
    let mut logs: Vec<_> = (0..4).map(Log::of).collect();
    for _event in 0..25 {
        let two_each = |log: &mut Log| batch(log.partition, &log.deposits(&format!("account-{}", log.partition), 2));
        let batches: Vec<_> = logs.iter_mut().map(two_each).collect();
        let both = tokio::join!(settle(&mongo.store, batches.clone()), settle(&mongo.store, batches));
        let reports = || both.0.iter().chain(&both.1);
        for report in reports() {
            assert!(report.failure.is_none() && report.outcomes.len() == 2, "{report:?}");
        }
        let new = reports().flat_map(|report| &report.outcomes).filter(|applied| !applied.redelivered);
        assert_eq!(new.count(), 8, "each is settled by one of them");
    }
    for partition in 0..4 {
        assert_eq!(mongo.store.account_of(&format!("account-{partition}")).await.balance, 50);
    }
    mongo.end().await;
}
