//! A topic created anew begins a generation.

use std::num::NonZeroU16;

use ledger::{Position, TransactionId};
use ledger_store::{Applied, ApplyFailure, Fence, FenceFault, GenerationError, LogRecord, Lookup, Reading};

use crate::harness::{Books, OnMongo, SETTLED_AT, on_both_stores, outcome};
use crate::log::{Log, TOPIC, batch, command, unread};

on_both_stores!(
    what_a_deleted_log_still_delivers_is_refused_and_the_new_one_settles,
    what_is_written_late_for_a_generation_that_is_over_is_set_aside_and_found,
    a_fence_that_does_not_know_when_its_generation_began_takes_what_is_older_as_before,
);

#[tokio::test]
async fn a_generation_begins_at_offset_0() {
    let mongo = OnMongo::new().await;
    for _ in 0..2 {
        mongo.store.begin_generation(TOPIC, 3, 1, None).await.unwrap();
    }
    mongo.store.begin_generation("another.topic", 1, 9, None).await.unwrap();
    let fences = mongo.store.fences().await.unwrap();
    let of_topic: Vec<&Fence> = fences.iter().filter(|fence| fence.topic == TOPIC).collect();
    assert_eq!(of_topic.len(), 3);
    assert!(of_topic.iter().all(|fence| fence.generation == 1 && fence.next_offset == 0));
    mongo.store.settle(&Log::of(0).deposits("alice", 2)).await;
    mongo.end().await;
}

#[tokio::test]
async fn the_next_generation_leaves_the_money_and_forgets_the_offsets() {
    let mongo = OnMongo::new().await;
    mongo.store.begin_generation(TOPIC, 4, 1, None).await.unwrap();
    let partition = ledger::partition_of("alice", NonZeroU16::new(4).unwrap());
    let old = Log::of(partition).deposits("alice", 20);
    mongo.store.try_settle(batch(partition, &old)).await.unwrap();
    mongo.store.begin_generation(TOPIC, 1, 2, None).await.unwrap();
    let fences = mongo.store.fences().await.unwrap();
    assert!(fences.iter().all(|fence| (fence.generation, fence.next_offset) == (2, 0)), "{fences:?}");
    let found = mongo.store.transaction(&command(&old[0]).id()).await.unwrap();
    assert!(matches!(found, Lookup::Settled(_)), "{found:?}");
    let mut log = Log { generation: 2, now: Log::of(0).now + 100_000, ..Log::of(0) };
    mongo.store.settle(&log.deposits("alice", 30)).await;
    assert_eq!(mongo.store.account_of("alice").await.balance, 50);
    let never: TransactionId = "alice.000g000000000009".parse().unwrap();
    assert_eq!(mongo.store.transaction(&never).await.unwrap(), Lookup::NotFound);
    mongo.end().await;
}

#[tokio::test]
async fn a_generation_that_is_over_or_in_use_does_not_begin() {
    let mongo = OnMongo::new().await;
    mongo.store.begin_generation(TOPIC, 1, 2, None).await.unwrap();
    let older = mongo.store.begin_generation(TOPIC, 1, 1, None).await.unwrap_err();
    assert!(matches!(older, GenerationError::Older { asked: 1, found: 2, .. }), "{older}");
    let mut log = Log { generation: 2, ..Log::of(0) };
    mongo.store.settle(&log.deposits("alice", 2)).await;
    let in_use = mongo.store.begin_generation(TOPIC, 1, 2, None).await.unwrap_err();
    assert!(matches!(in_use, GenerationError::InUse { next_offset: 2, .. }), "{in_use}");
    for (partitions, generation) in [(0, 3), (1, 0)] {
        let nothing = mongo.store.begin_generation(TOPIC, partitions, generation, None).await.unwrap_err();
        assert!(matches!(nothing, GenerationError::Nothing), "{nothing}");
    }
    mongo.end().await;
}

async fn fault_of(store: &impl Books, records: &[LogRecord]) -> FenceFault {
    let error = store.try_settle(batch(0, records)).await.unwrap_err();
    assert!(!error.retry_helps(), "{error}");
    match error.failure {
        ApplyFailure::Fault(fault) => fault,
        other => panic!("{other}"),
    }
}

/// The topic was created anew behind our back, and then once more, as the message about that says. The event source has
/// a batch of the one in between in flight.
async fn what_a_deleted_log_still_delivers_is_refused_and_the_new_one_settles(store: impl Books) {
    let mut log = Log::of(0);
    store.settle(&log.deposits("alice", 50)).await;
    let mut deleted = Log { now: log.now + 1, ..Log::of(0) };
    let mut in_flight = deleted.deposits("alice", 3);
    in_flight.extend([deleted.unreadable("alice"), deleted.deposit("alice", 1)]);
    assert_eq!(fault_of(&store, &in_flight).await, FenceFault::Recreated { offset: 0 });
    store.begin(2, Some(deleted.clock())).await;
    let unread: Vec<_> = in_flight.iter().map(unread).collect();
    for again in [&in_flight[..], &unread[..], &in_flight[3..4]] {
        let (generation, offset) = (2, again[0].offset);
        assert_eq!(fault_of(&store, again).await, FenceFault::DeletedLog { generation, offset });
    }
    let mut new = Log { generation: 2, now: deleted.now + 1, ..Log::of(0) };
    let records = new.deposits("alice", 5);
    let outcomes = store.settle(&records).await;
    assert!(outcomes.iter().all(|applied| !applied.redelivered && outcome(applied).entry.settled_at == SETTLED_AT));
    assert_eq!(store.account_of("alice").await.balance, 55);
    let fault = fault_of(&store, &in_flight).await;
    assert_eq!(fault, FenceFault::DeletedLog { generation: 2, offset: 0 }, "however far the new log is");
}

async fn what_is_written_late_for_a_generation_that_is_over_is_set_aside_and_found(store: impl Books) {
    store.begin(3, Some(Log::of(0).clock())).await;
    let mut log = Log { generation: 3, ..Log::of(0) };
    let mut records = vec![log.deposit("alice", 1)];
    log.generation = 2;
    records.extend([log.deposit("alice", 10), log.deposit("bob", 20)]);
    log.generation = 3;
    records.push(log.deposit("alice", 2));
    let ids = [command(&records[1]).id(), command(&records[2]).id()];
    for _delivery in 0..2 {
        let outcomes = store.settle(&records).await;
        assert_eq!(outcomes[1].position.generation(), 3, "where it stands");
        for (id, applied) in ids.iter().zip(&outcomes[1..3]) {
            let Applied::Unreadable(letter) = &applied.applied else { panic!("{applied:?}") };
            assert_eq!((letter.accepted_as, &letter.account), (Some(id.position), &Some(id.account.clone())));
            assert!(letter.value.is_some(), "it keeps its bytes");
            let expected = Lookup::Unreadable { why: letter.why.clone(), recorded_at: letter.recorded_at };
            assert_eq!(store.transaction(id).await.unwrap(), expected, "{id}");
        }
    }
    assert_eq!(store.account_of("alice").await.balance, 3);
    let nobody_was_told = TransactionId { position: position(3, 1), ..ids[0].clone() };
    assert_eq!(store.transaction(&nobody_was_told).await.unwrap(), Lookup::NotFound);
    let of_another = TransactionId { account: "carol".parse().unwrap(), ..ids[0].clone() };
    assert_eq!(store.transaction(&of_another).await.unwrap(), Lookup::NotFound);
}

fn position(generation: u16, offset: u64) -> Position {
    Position::new(generation, 0, offset).unwrap()
}

async fn a_fence_that_does_not_know_when_its_generation_began_takes_what_is_older_as_before(store: impl Books) {
    store.begin(2, None).await;
    let outcomes = store.settle(&Log::of(0).deposits("alice", 2)).await;
    assert!(outcomes.iter().all(|applied| matches!(applied.applied, Applied::Unreadable(_))), "{outcomes:?}");
    assert_eq!(store.account(&"alice".parse().unwrap()).await.unwrap(), None);
}
