//! In which partition the commands of an account stand: in the one that the generation's count gives it, and in no other.

use std::num::NonZeroU16;

use ledger::{AccountId, Partition, Placement, Position, TransactionId};
use ledger_store::{Applied, Lookup};

use crate::harness::{Books, is_posted, on_both_stores};
use crate::log::{Log, batch, command};

on_both_stores!(
    a_command_in_another_partition_than_its_accounts_is_set_aside,
    a_partition_that_is_added_later_changes_nothing,
    an_id_in_another_partition_than_its_accounts_is_not_found,
);

/// The generation that [`Books::begin_with`] begins.
const PLACEMENT: Placement = Placement { generation: 1, partitions: NonZeroU16::new(4).unwrap() };

fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

fn at(id: &str, partition: Partition, offset: u64) -> TransactionId {
    TransactionId { account: account(id), position: Position::new(1, partition, offset).unwrap() }
}

async fn a_command_in_another_partition_than_its_accounts_is_set_aside(store: impl Books) {
    store.begin_with(PLACEMENT).await;
    let its = PLACEMENT.partition_of(&account("alice"));
    let other = (its + 1) % 4;
    assert!(is_posted(&store.try_settle(batch(its, &[Log::of(its).deposit("alice", 5)])).await.unwrap()[0]));
    let mut log = Log::of(other);
    let misplaced = log.deposit("alice", 70);
    for _delivery in 0..2 {
        let outcomes = store.try_settle(batch(other, std::slice::from_ref(&misplaced))).await.unwrap();
        let Applied::Unreadable(letter) = &outcomes[0].applied else { panic!("{outcomes:?}") };
        assert!(letter.why.contains(&format!("the commands of its account stand in {its};")), "{}", letter.why);
    }
    assert_eq!(store.account_of("alice").await.balance, 5);
    let found = store.transaction(&command(&misplaced).id()).await.unwrap();
    assert!(matches!(found, Lookup::Unreadable { .. }), "whoever knows where it stands is told why: {found:?}");
    assert_eq!(PLACEMENT.partition_of(&account("alice~fees")), its);
    assert!(is_posted(
        &store.try_settle(batch(its, &[Log { next: 1, ..Log::of(its) }.deposit("alice~fees", 1)])).await.unwrap()[0]
    ));
}

async fn a_partition_that_is_added_later_changes_nothing(store: impl Books) {
    store.begin_with(PLACEMENT).await;
    let mut log = Log::of(4);
    let records = ["alice", "bob", "carol"].map(|account| log.deposit(account, 1));
    for part in [&records[..1], &records] {
        let outcomes = store.try_settle(batch(4, part)).await.unwrap();
        assert!(outcomes.iter().all(|applied| matches!(applied.applied, Applied::Unreadable(_))), "{outcomes:?}");
    }
    assert_eq!(store.account(&account("alice")).await.unwrap(), None);
    assert_eq!(store.transaction(&at("alice", 4, 9)).await.unwrap(), Lookup::NotFound);
}

async fn an_id_in_another_partition_than_its_accounts_is_not_found(store: impl Books) {
    store.begin_with(PLACEMENT).await;
    let its = PLACEMENT.partition_of(&account("alice"));
    for partition in 0..6 {
        let expected = if partition == its { Lookup::Accepted } else { Lookup::NotFound };
        let id = at("alice", partition, 7);
        assert_eq!(store.transaction(&id).await.unwrap(), expected, "{id}");
        if expected == Lookup::NotFound {
            let until = tokio::time::Instant::now() + std::time::Duration::from_secs(600);
            assert_eq!(store.await_outcome(&id, until).await.unwrap(), expected, "nobody waits for {id}");
        }
    }
}
