//! Which batches go into one transaction.

use std::collections::{HashMap, HashSet};

use ledger::{AccountId, Partition};

use crate::batch::{LogRecord, PartitionBatch};
use crate::fence::run_length;
use crate::prefix::PrefixSize;

/// What a transaction of several partitions writes at most, by estimate: a few hundred commands. What is larger gains from
/// being worked on side by side.
const MOST_BYTES_TOGETHER: usize = 256 << 10;

/// Whether batches, each with the size of its partition's prefixes, are several, small and without gaps, and share neither a
/// partition nor an account: then together they cost about as much as one.
pub(super) fn fit_one_transaction<'a>(batches: impl IntoIterator<Item = (&'a PartitionBatch, PrefixSize)>) -> bool {
    let (mut partitions, mut bytes) = (HashSet::new(), 0);
    let mut owners: HashMap<&AccountId, Partition> = HashMap::new();
    for (batch, size) in batches.into_iter().filter(|(batch, _)| !batch.records.is_empty()) {
        let Some(all) = size.bytes_of_all(&batch.records) else { return false };
        bytes += all;
        let is_whole = run_length(batch, 0) == batch.records.len();
        if bytes > MOST_BYTES_TOGETHER || !is_whole || !partitions.insert(batch.partition) {
            return false;
        }
        for account in batch.records.iter().filter_map(LogRecord::account) {
            if *owners.entry(account).or_insert(batch.partition) != batch.partition {
                return false;
            }
        }
    }
    partitions.len() > 1
}

#[cfg(test)]
mod tests {
    use ledger::{Action, Amount, COMMANDS, Command, Money, Position, Timestamp};

    use super::*;
    use crate::batch::Content;

    fn batch(partition: Partition, account: &str, offsets: impl IntoIterator<Item = u64>) -> PartitionBatch {
        let recorded_at = Timestamp::from_epoch_ms(0);
        let record = |offset| {
            let money = Money { amount: Amount::new(1).unwrap(), currency: "EUR".parse().unwrap() };
            let command = Command {
                position: Position::new(1, partition, offset).unwrap(),
                recorded_at,
                account: account.parse().unwrap(),
                action: Action::Deposit(money),
                reference: None,
                idempotency: None,
            };
            let content = Content::Command(command);
            LogRecord { offset, recorded_at, stamped_by_broker: true, key: None, value: None, content }
        };
        let records = offsets.into_iter().map(record).collect();
        PartitionBatch { topic: COMMANDS.to_owned(), partition, records, voids: Vec::new() }
    }

    fn fit(batches: &[PartitionBatch]) -> bool {
        fit_one_transaction(batches.iter().map(|batch| (batch, PrefixSize::default())))
    }

    #[test]
    fn several_small_batches_go_together() {
        assert!(fit(&[batch(0, "alice", 0..100), batch(1, "bob", 7..8), batch(2, "carol", [])]));
        assert!(!fit(&[batch(0, "alice", 0..100), batch(1, "bob", [])]), "one is not several");
        assert!(!fit(&[]));
    }

    #[test]
    fn what_is_large_or_has_gaps_or_shares_an_account_does_not() {
        assert!(!fit(&[batch(0, "alice", 0..900), batch(1, "bob", 0..1)]));
        assert!(!fit(&[batch(0, "alice", [0, 2]), batch(1, "bob", 0..1)]));
        assert!(!fit(&[batch(0, "alice", 0..1), batch(1, "alice", 0..1)]));
        assert!(!fit(&[batch(0, "alice", 0..1), batch(0, "bob", 1..2)]), "one partition's batches follow each other");
    }

    #[test]
    fn where_something_went_wrong_for_its_size_each_goes_alone() {
        let mut halved = PrefixSize::default();
        halved.halve(10);
        let batches = [batch(0, "alice", 0..1), batch(1, "bob", 0..1)];
        assert!(!fit_one_transaction(batches.iter().zip([PrefixSize::default(), halved])));
    }
}
