//! Which batches continue what has been applied, which were applied before, and which are of another log.

use ledger_store::{ApplyFailure, FenceRefusal, LogRecord};

use crate::harness::{Books, on_both_stores};
use crate::log::{Log, batch};

on_both_stores!(
    a_batch_delivered_again_changes_nothing_and_gets_the_first_outcomes,
    a_batch_that_overlaps_settles_only_what_is_new,
    a_batch_after_a_gap_is_refused,
    a_partition_that_starts_late_is_refused,
    a_newer_record_below_the_fence_is_a_recreated_topic,
    a_newer_generation_is_refused,
    records_of_an_older_generation_are_named,
    records_that_do_not_follow_each_other_are_refused,
    a_record_of_another_partition_is_refused,
    partitions_have_fences_of_their_own,
    nothing_is_no_batch,
    time_does_not_run_backwards,
);

async fn refusal_of(store: &impl Books, partition: u16, records: &[LogRecord]) -> FenceRefusal {
    let error = store.try_settle(batch(partition, records)).await.unwrap_err();
    assert!(!error.retry_helps(), "{error}");
    assert_eq!((error.partition, error.offset), (partition, records[0].offset()));
    match error.failure {
        ApplyFailure::Refused(refusal) => refusal,
        other => panic!("{other}"),
    }
}

async fn a_batch_delivered_again_changes_nothing_and_gets_the_first_outcomes(store: impl Books) {
    let mut log = Log::of(0);
    let mut records = vec![log.deposit("alice", 100), log.withdrawal("nobody", 1), log.unreadable("alice")];
    records.extend(log.deposits("alice", 100));
    records.extend([log.withdrawal("alice", 10_000), log.deposit("bob", 5), log.request("bob", 2, 60)]);
    let first = store.settle(&records).await;
    let (alice, bob) = (store.account_of("alice").await, store.account_of("bob").await);
    for _ in 0..2 {
        let mut again = store.settle(&records).await;
        assert!(again.iter().all(|outcome| outcome.redelivered));
        again.iter_mut().for_each(|outcome| outcome.redelivered = false);
        assert_eq!(again, first);
    }
    assert_eq!((store.account_of("alice").await, store.account_of("bob").await), (alice, bob));
    let part = store.settle(&records[50..60]).await;
    assert_eq!(part.iter().map(|outcome| outcome.position.offset()).collect::<Vec<_>>(), (50..60).collect::<Vec<_>>());
}

async fn a_batch_that_overlaps_settles_only_what_is_new(store: impl Books) {
    let mut log = Log::of(0);
    let records = log.deposits("alice", 40);
    store.settle(&records[..25]).await;
    let outcomes = store.settle(&records[10..]).await;
    let redelivered: Vec<bool> = outcomes.iter().map(|outcome| outcome.redelivered).collect();
    assert_eq!(redelivered, [vec![true; 15], vec![false; 15]].concat());
    assert_eq!(store.account_of("alice").await.balance, 40);
    assert_eq!(store.account_of("alice").await.sequence, 40);
}

async fn a_batch_after_a_gap_is_refused(store: impl Books) {
    let mut log = Log::of(0);
    let records = log.deposits("alice", 5);
    store.settle(&records[..2]).await;
    assert_eq!(refusal_of(&store, 0, &records[3..]).await, FenceRefusal::Gap { expected: 2, found: 3 });
    assert_eq!(store.account_of("alice").await.balance, 2);
    store.settle(&records[2..]).await;
}

async fn a_partition_that_starts_late_is_refused(store: impl Books) {
    let mut log = Log::of(0);
    let records = log.deposits("alice", 2);
    assert_eq!(refusal_of(&store, 0, &records[1..]).await, FenceRefusal::StartsLate { found: 1 });
    assert_eq!(store.account(&"alice".parse().unwrap()).await.unwrap(), None);
    store.settle(&records).await;
}

async fn a_newer_record_below_the_fence_is_a_recreated_topic(store: impl Books) {
    let mut log = Log::of(0);
    store.settle(&log.deposits("alice", 3)).await;
    let mut recreated = Log { now: log.now + 1, ..Log::of(0) };
    let records = recreated.deposits("alice", 5);
    assert_eq!(refusal_of(&store, 0, &records).await, FenceRefusal::Recreated { offset: 0 });
    assert_eq!(store.account_of("alice").await.balance, 3);
}

async fn a_newer_generation_is_refused(store: impl Books) {
    let mut log = Log::of(0);
    store.settle(&log.deposits("alice", 3)).await;
    for generation in [2, u16::MAX] {
        let mut newer = Log { generation, ..Log::of(0) };
        let refusal = refusal_of(&store, 0, &newer.deposits("alice", 1)).await;
        assert_eq!(refusal, FenceRefusal::NewerGeneration { expected: 1, found: generation });
    }
    let mut mixed = log.deposits("alice", 1);
    log.generation = 2;
    mixed.extend(log.deposits("alice", 1));
    let refusal = refusal_of(&store, 0, &mixed).await;
    assert_eq!(refusal, FenceRefusal::NewerGeneration { expected: 1, found: 2 });
}

async fn records_of_an_older_generation_are_named(store: impl Books) {
    let mut log = Log { generation: 2, ..Log::of(0) };
    store.settle(&log.deposits("alice", 3)).await;
    let mut mixed = log.deposits("alice", 1);
    log.generation = 1;
    mixed.extend(log.deposits("alice", 2));
    log.generation = 2;
    mixed.extend(log.deposits("alice", 1));
    let refusal = refusal_of(&store, 0, &mixed).await;
    assert_eq!(refusal, FenceRefusal::OlderGeneration { expected: 2, offsets: vec![4, 5] });
    assert_eq!(store.account_of("alice").await.balance, 3);
}

async fn records_that_do_not_follow_each_other_are_refused(store: impl Books) {
    let mut log = Log::of(0);
    let records = log.deposits("alice", 3);
    let with_a_gap = [records[0].clone(), records[2].clone()];
    assert_eq!(refusal_of(&store, 0, &with_a_gap).await, FenceRefusal::NotConsecutive { after: 0, found: 2 });
    let twice = [records[0].clone(), records[0].clone()];
    assert_eq!(refusal_of(&store, 0, &twice).await, FenceRefusal::NotConsecutive { after: 0, found: 0 });
}

async fn a_record_of_another_partition_is_refused(store: impl Books) {
    let refusal = refusal_of(&store, 3, &Log::of(0).deposits("alice", 1)).await;
    assert_eq!(refusal, FenceRefusal::OtherPartition { found: 0 });
}

async fn partitions_have_fences_of_their_own(store: impl Books) {
    for partition in [0, 1, 65_535] {
        let mut log = Log::of(partition);
        let records = log.deposits("alice", 20);
        store.try_settle(batch(partition, &records)).await.unwrap();
    }
    assert_eq!(store.account_of("alice").await.balance, 60);
}

async fn nothing_is_no_batch(store: impl Books) {
    assert_eq!(store.settle(&[]).await, []);
}

async fn time_does_not_run_backwards(store: impl Books) {
    let mut log = Log::of(0);
    store.settle(&[log.deposit("alice", 10), log.request("alice", 4, 2)]).await;
    let late = log.now;
    log.now -= 60_000;
    let outcomes = store.settle(&[log.withdrawal("alice", 1)]).await;
    let entry = &crate::harness::outcome(&outcomes[0]).entry;
    assert_eq!(entry.recorded_at.epoch_ms(), late);
    let again = store.settle(&[log.deposit("alice", 1)]).await;
    assert!(!again[0].redelivered);
}
