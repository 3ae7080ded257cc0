//! Which batches continue what has been applied, which were applied before, and which are of another log.

use ledger::Generation;
use ledger_store::{ApplyFailure, FenceFault, LogRecord, PartitionBatch, Published};

use crate::harness::{Books, on_both_stores};
use crate::log::{Log, START, TOPIC, batch};

on_both_stores!(
    a_batch_delivered_again_changes_nothing_and_gets_the_first_outcomes,
    a_batch_that_overlaps_settles_only_what_is_new,
    a_batch_after_a_gap_is_refused,
    a_partition_that_starts_late_is_refused,
    a_newer_record_below_the_fence_is_a_recreated_topic,
    a_newer_generation_is_refused,
    another_record_below_the_fence_is_a_recreated_topic,
    what_stands_before_a_fault_is_applied,
    what_the_log_says_is_void_is_stepped_over,
    outcomes_that_nobody_said_to_be_published_are_named,
    a_batch_of_another_topic_is_refused,
    a_record_of_another_partition_is_refused,
    partitions_have_fences_of_their_own,
    nothing_is_no_batch,
    time_does_not_run_backwards,
);

async fn fault_of(store: &impl Books, partition: u16, records: &[LogRecord]) -> FenceFault {
    let error = store.try_settle(batch(partition, records)).await.unwrap_err();
    assert!(!error.retry_helps(), "{error}");
    assert_eq!((error.partition, error.offset), (partition, records[0].offset));
    match error.failure {
        ApplyFailure::Fault(fault) => fault,
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
    assert_eq!(fault_of(&store, 0, &records[3..]).await, FenceFault::Gap { expected: 2, found: 3 });
    assert_eq!(store.account_of("alice").await.balance, 2);
    store.settle(&records[2..]).await;
}

async fn a_partition_that_starts_late_is_refused(store: impl Books) {
    let mut log = Log::of(0);
    let records = log.deposits("alice", 2);
    assert_eq!(fault_of(&store, 0, &records[1..]).await, FenceFault::StartsLate { found: 1 });
    assert_eq!(store.account(&"alice".parse().unwrap()).await.unwrap(), None);
    store.settle(&records).await;
}

async fn a_newer_record_below_the_fence_is_a_recreated_topic(store: impl Books) {
    let mut log = Log::of(0);
    store.settle(&log.deposits("alice", 3)).await;
    let mut recreated = Log { now: log.now + 1, ..Log::of(0) };
    let records = recreated.deposits("alice", 5);
    assert_eq!(fault_of(&store, 0, &records).await, FenceFault::Recreated { offset: 0 });
    assert_eq!(store.account_of("alice").await.balance, 3);
}

async fn a_newer_generation_is_refused(store: impl Books) {
    let mut log = Log::of(0);
    store.settle(&log.deposits("alice", 3)).await;
    for generation in [2, u16::MAX] {
        let mut newer = Log { generation, ..Log::of(0) };
        let fault = fault_of(&store, 0, &newer.deposits("alice", 1)).await;
        assert_eq!(fault, FenceFault::NewerGeneration { expected: 1, found: generation });
    }
}

/// The topic was created anew, and its clock is behind: only what was applied tells.
async fn another_record_below_the_fence_is_a_recreated_topic(store: impl Books) {
    let mut log = Log::of(0);
    let records =
        [log.deposit("alice", 1), log.withdrawal("nobody", 2), log.unreadable("alice"), log.deposit("bob", 1)];
    store.settle(&records).await;
    let mut recreated = Log { now: START - 1_000_000, ..Log::of(0) };
    let others = [
        recreated.deposit("alice", 2),
        recreated.withdrawal("nobody", 3),
        recreated.unreadable("bob"),
        recreated.deposit("alice", 1),
    ];
    for (other, offset) in others.into_iter().zip(0..) {
        let error = store.try_settle(batch(0, &[other])).await.unwrap_err();
        assert!(!error.retry_helps(), "{error}");
        // Of another account nothing stands there at all.
        match error.failure {
            ApplyFailure::Fault(fault) => assert_eq!(fault, FenceFault::Recreated { offset }),
            ApplyFailure::OutcomeMissing(at) => assert_eq!((at.offset(), offset), (3, 3)),
            other => panic!("{other} at {offset}"),
        }
    }
    assert!(store.settle(&records).await.iter().all(|outcome| outcome.redelivered));
}

async fn what_stands_before_a_fault_is_applied(store: impl Books) {
    let mut log = Log::of(0);
    let mut records = log.deposits("alice", 3);
    log.generation = 2;
    records.extend(log.deposits("alice", 1));
    let report = store.report_on(batch(0, &records)).await;
    assert_eq!(report.outcomes.len(), 3);
    let error = report.failure.unwrap();
    assert_eq!(error.offset, 3);
    assert!(matches!(error.failure, ApplyFailure::Fault(FenceFault::NewerGeneration { expected: 1, found: 2 })));
    assert_eq!(store.account_of("alice").await.balance, 3);
    let mut log = Log { next: 3, ..Log::of(0) };
    let with_a_gap = [log.deposit("alice", 1), log.deposit("alice", 1), log.deposit("alice", 1)];
    let report = store.report_on(batch(0, &[with_a_gap[0].clone(), with_a_gap[2].clone()])).await;
    assert_eq!(report.outcomes.len(), 1);
    let error = report.failure.unwrap();
    assert!(matches!(error.failure, ApplyFailure::Fault(FenceFault::Gap { expected: 4, found: 5 })), "{error}");
    assert_eq!(store.account_of("alice").await.balance, 4);
    assert_eq!(store.settle(&with_a_gap).await.len(), 3, "the rest, when it comes");
}

/// The marker of a Kafka transaction takes an offset at which nobody ever reads a record.
async fn what_the_log_says_is_void_is_stepped_over(store: impl Books) {
    let mut log = Log::of(0);
    let all = log.deposits("alice", 6);
    let records = [all[1].clone(), all[2].clone(), all[4].clone()];
    let report = store.report_on(batch(0, &records)).await;
    assert!(matches!(report.failure.unwrap().failure, ApplyFailure::Fault(FenceFault::StartsLate { found: 1 })));
    let with_voids = PartitionBatch { voids: vec![0..1, 3..4], ..batch(0, &records) };
    for redelivered in [false, true] {
        let outcomes = store.report_on(with_voids.clone()).await.whole().unwrap();
        assert_eq!(outcomes.iter().map(|outcome| outcome.redelivered).collect::<Vec<_>>(), [redelivered; 3]);
    }
    let void = store.try_settle(batch(0, &all[..1])).await.unwrap_err();
    assert!(matches!(void.failure, ApplyFailure::OutcomeMissing(_)), "{void}");
    store.settle(&all[5..]).await;
    assert_eq!(store.account_of("alice").await.balance, 4);
}

fn published(generation: Generation, before: u64) -> [Published; 1] {
    [Published { topic: TOPIC.to_owned(), partition: 0, generation, before }]
}

async fn outcomes_that_nobody_said_to_be_published_are_named(store: impl Books) {
    let mut log = Log::of(0);
    let records = log.deposits("alice", 8);
    let unpublished = async |part: &[LogRecord]| store.report_on(batch(0, part)).await.unpublished;
    assert_eq!(unpublished(&records[..2]).await, None);
    assert_eq!(unpublished(&records[2..4]).await, Some(0..2));
    store.mark_published(&published(1, 4)).await.unwrap();
    assert_eq!(unpublished(&records[4..5]).await, None);
    store.mark_published(&published(1, 3)).await.unwrap();
    store.mark_published(&published(9, 8)).await.unwrap();
    assert_eq!(unpublished(&records[5..6]).await, Some(4..5), "a mark never goes back, and is of its generation");
    assert_eq!(unpublished(&records[3..4]).await, None, "what comes again is published again");
}

async fn a_batch_of_another_topic_is_refused(store: impl Books) {
    let mut log = Log::of(0);
    let records = log.deposits("alice", 2);
    let mirror = PartitionBatch { topic: "mirror.passbook.commands".to_owned(), ..batch(0, &records) };
    for _before_and_after in 0..2 {
        let error = store.report_on(mirror.clone()).await.whole().unwrap_err();
        assert!(matches!(&error.failure, ApplyFailure::Fault(FenceFault::OtherTopic { .. })), "{error}");
        store.settle(&records).await;
    }
    assert_eq!(store.account_of("alice").await.balance, 2);
}

async fn a_record_of_another_partition_is_refused(store: impl Books) {
    let fault = fault_of(&store, 3, &Log::of(0).deposits("alice", 1)).await;
    assert_eq!(fault, FenceFault::OtherPartition { found: 0 });
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
