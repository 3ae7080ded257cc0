//! Questions: after a transaction, and after an account's entries page by page.

use std::time::Duration;

use ledger::{Position, TransactionId};
use ledger_store::{Lookup, MAX_STATEMENT_LIMIT};
use tokio::time::Instant;

use crate::harness::{Books, on_both_stores, outcome};
use crate::log::{Log, batch, command};

on_both_stores!(
    every_transaction_is_found_in_whatever_page_it_stands,
    a_transaction_at_or_past_the_fence_is_accepted,
    a_transaction_that_cannot_be_is_not_found,
    a_transaction_below_the_fence_that_is_of_no_account_is_not_found,
    an_account_of_two_partitions_keeps_every_transaction_findable,
    a_statement_goes_back_page_by_page,
    waiting_ends_with_the_outcome,
    waiting_ends_with_the_time,
);

fn id(account: &str, generation: u16, partition: u16, offset: u64) -> TransactionId {
    TransactionId { account: account.parse().unwrap(), position: Position::new(generation, partition, offset).unwrap() }
}

async fn every_transaction_is_found_in_whatever_page_it_stands(store: impl Books) {
    let mut log = Log::of(0);
    let mut records = Vec::new();
    for _ in 0..60 {
        records.extend([log.deposit("alice", 3), log.withdrawal("alice", 1), log.deposit("alice2", 1)]);
    }
    let mut outcomes = Vec::new();
    for part in records.chunks(23) {
        outcomes.extend(store.settle(part).await);
    }
    for applied in &outcomes {
        let found = store.transaction(&outcome(applied).id()).await.unwrap();
        assert_eq!(found, Lookup::Settled(outcome(applied).clone()));
    }
}

async fn a_transaction_at_or_past_the_fence_is_accepted(store: impl Books) {
    let lookup = async |id| store.transaction(&id).await.unwrap();
    assert_eq!(lookup(id("alice", 1, 0, 0)).await, Lookup::Accepted);
    store.settle(&Log { generation: 2, ..Log::of(0) }.deposits("alice", 3)).await;
    for (asked, expected) in [
        (id("alice", 2, 0, 3), Lookup::Accepted),
        (id("nobody", 2, 0, 3), Lookup::Accepted),
        (id("alice", 3, 0, 0), Lookup::NotFound),
        (id("alice", 0, 0, 3), Lookup::NotFound),
        (id("alice", 2, 1, 0), Lookup::Accepted),
        (id("alice", 1, 0, 0), Lookup::NotFound),
        (id("alice", 1, 0, 1_000), Lookup::NotFound),
    ] {
        assert_eq!(lookup(asked.clone()).await, expected, "{asked}");
    }
}

/// Whoever waits for it need not wait.
async fn a_transaction_that_cannot_be_is_not_found(store: impl Books) {
    store.begin(2, None).await;
    let long = Instant::now() + Duration::from_secs(20);
    for (partition, generation, expected) in [
        (0, 2, Lookup::Accepted),
        (1, 2, Lookup::NotFound),
        (u16::MAX, 2, Lookup::NotFound),
        (0, 3, Lookup::NotFound),
        (0, 0, Lookup::NotFound),
        (0, 1, Lookup::NotFound),
    ] {
        let asked = id("alice", generation, partition, 5);
        assert_eq!(store.transaction(&asked).await.unwrap(), expected, "{asked}");
        if expected == Lookup::NotFound {
            assert_eq!(store.await_outcome(&asked, long).await.unwrap(), expected, "{asked}");
        }
    }
    assert!(Instant::now() < long);
}

async fn a_transaction_below_the_fence_that_is_of_no_account_is_not_found(store: impl Books) {
    let mut log = Log::of(0);
    let mut records = vec![log.deposit("bob", 1), log.withdrawal("nobody", 1)];
    records.extend(log.deposits("alice", 40));
    store.settle(&records).await;
    for asked in [id("alice", 1, 0, 0), id("bob", 1, 0, 5), id("carol", 1, 0, 0), id("alice", 1, 0, 1)] {
        assert_eq!(store.transaction(&asked).await.unwrap(), Lookup::NotFound, "{asked}");
    }
}

async fn an_account_of_two_partitions_keeps_every_transaction_findable(store: impl Books) {
    let (mut one, mut two) = (Log::of(1), Log::of(2));
    let mut outcomes = Vec::new();
    for (first, second) in [(3, 20), (1, 1), (40, 2), (5, 50), (1, 30)] {
        outcomes.extend(store.try_settle(batch(1, &one.deposits("alice", first))).await.unwrap());
        outcomes.extend(store.try_settle(batch(2, &two.deposits("alice", second))).await.unwrap());
    }
    for applied in &outcomes {
        let found = store.transaction(&outcome(applied).id()).await.unwrap();
        assert_eq!(found, Lookup::Settled(outcome(applied).clone()));
    }
    let records = Log::of(2).deposits("alice", 103);
    let again = store.try_settle(batch(2, &records)).await.unwrap();
    let of_two = outcomes.iter().filter(|applied| applied.position.partition() == 2);
    assert!(again.iter().map(outcome).eq(of_two.map(outcome)));
}

async fn a_statement_goes_back_page_by_page(store: impl Books) {
    let mut log = Log::of(0);
    let outcomes = store.settle(&log.deposits("alice", 70)).await;
    let newest_first: Vec<_> = outcomes.iter().rev().map(|applied| outcome(applied).clone()).collect();
    let alice = "alice".parse().unwrap();
    for limit in [1, 7, 16, 32, 70, MAX_STATEMENT_LIMIT, usize::MAX] {
        let (mut read, mut before) = (Vec::new(), None);
        loop {
            let part = store.statement(&alice, before, limit).await.unwrap().unwrap();
            let Some(last) = part.last() else { break };
            assert!(part.len() <= limit.min(MAX_STATEMENT_LIMIT));
            before = Some(last.entry.sequence);
            read.extend(part);
        }
        assert_eq!(read, newest_first, "{limit} at a time");
    }
    for before in [0, 1] {
        assert_eq!(store.statement(&alice, Some(before), 10).await.unwrap(), Some(Vec::new()));
    }
    assert_eq!(store.statement(&alice, Some(1_000), 1).await.unwrap().unwrap()[0].entry.sequence, 70);
    assert_eq!(store.statement(&alice, None, 0).await.unwrap(), Some(Vec::new()));
}

async fn waiting_ends_with_the_outcome(store: impl Books) {
    let mut log = Log::of(0);
    let records = log.deposits("alice", 40);
    let until = Instant::now() + Duration::from_secs(20);
    let ids: Vec<_> = records.iter().map(|record| command(record).id()).collect();
    let waiting = futures::future::join_all(ids.iter().map(|id| store.await_outcome(id, until)));
    let (found, outcomes) = futures::join!(waiting, store.settle(&records));
    for (found, applied) in found.into_iter().zip(&outcomes) {
        assert_eq!(found.unwrap(), Lookup::Settled(outcome(applied).clone()));
    }
    assert!(Instant::now() < until);
}

async fn waiting_ends_with_the_time(store: impl Books) {
    store.settle(&Log::of(0).deposits("alice", 1)).await;
    let soon = Instant::now() + Duration::from_millis(60);
    assert_eq!(store.await_outcome(&id("alice", 1, 0, 1), soon).await.unwrap(), Lookup::Accepted);
    assert!(Instant::now() >= soon);
    let gone = Instant::now();
    assert_eq!(store.await_outcome(&id("alice", 1, 0, 9), gone).await.unwrap(), Lookup::Accepted);
    let long = Instant::now() + Duration::from_secs(20);
    assert_eq!(store.await_outcome(&id("nobody", 1, 0, 0), long).await.unwrap(), Lookup::NotFound);
    assert!(Instant::now() < long);
}
