//! A topic created anew begins a generation.

use ledger::TransactionId;
use ledger_store::{Fence, GenerationError, Lookup, Reading};

use crate::harness::{Books, OnMongo};
use crate::log::{Log, TOPIC, batch, command};

#[tokio::test]
async fn a_generation_begins_at_offset_0() {
    let mongo = OnMongo::new().await;
    for _ in 0..2 {
        mongo.store.begin_generation(TOPIC, 3, 1).await.unwrap();
    }
    mongo.store.begin_generation("another.topic", 1, 9).await.unwrap();
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
    mongo.store.begin_generation(TOPIC, 4, 1).await.unwrap();
    let old = Log::of(3).deposits("alice", 20);
    mongo.store.try_settle(batch(3, &old)).await.unwrap();
    mongo.store.begin_generation(TOPIC, 2, 2).await.unwrap();
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
    mongo.store.begin_generation(TOPIC, 1, 2).await.unwrap();
    let older = mongo.store.begin_generation(TOPIC, 1, 1).await.unwrap_err();
    assert!(matches!(older, GenerationError::Older { asked: 1, found: 2, .. }), "{older}");
    let mut log = Log { generation: 2, ..Log::of(0) };
    mongo.store.settle(&log.deposits("alice", 2)).await;
    let in_use = mongo.store.begin_generation(TOPIC, 1, 2).await.unwrap_err();
    assert!(matches!(in_use, GenerationError::InUse { next_offset: 2, .. }), "{in_use}");
    for (partitions, generation) in [(0, 3), (1, 0)] {
        let nothing = mongo.store.begin_generation(TOPIC, partitions, generation).await.unwrap_err();
        assert!(matches!(nothing, GenerationError::Nothing), "{nothing}");
    }
    mongo.end().await;
}
