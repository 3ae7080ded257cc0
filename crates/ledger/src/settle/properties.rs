//! The invariants of the rules of money, over generated histories of a few accounts.
//!
//! `history` makes the commands, `model` decides them anew in the plainest way there is, and `storage` keeps what
//! settling changed, so that a history can be settled in any split of batches.

mod history;
mod model;
mod storage;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use self::history::{commands, given_accounts};
use self::model::Model;
use self::storage::Storage;
use crate::{Command, Digest, Entry, EntryStatus, Kind, Outcome, Position};

fn settled(commands: &[Command]) -> (Storage, Vec<Outcome>) {
    let mut storage = Storage::new(given_accounts());
    let outcomes = storage.settle(commands);
    (storage, outcomes)
}

proptest! {
    #[test]
    fn outcomes_are_those_of_the_naive_model(commands in commands()) {
        let mut model = Model::new(given_accounts());
        for (command, outcome) in commands.iter().zip(settled(&commands).1) {
            let entry = outcome.entry;
            let said = (entry.status, entry.balance.into(), entry.held.into(), entry.available.into());
            prop_assert_eq!(said, model.settle(command), "{:?}", command);
        }
    }

    #[test]
    fn every_command_has_one_outcome_in_the_order_of_the_log(commands in commands()) {
        let (_, outcomes) = settled(&commands);
        let ids = |outcome: &Outcome| outcome.id();
        prop_assert_eq!(outcomes.iter().map(ids).collect::<Vec<_>>(), commands.iter().map(Command::id).collect::<Vec<_>>());
    }

    #[test]
    fn debits_equal_credits_in_every_currency(commands in commands()) {
        let (storage, _) = settled(&commands);
        let mut sums = BTreeMap::<_, i128>::new();
        for account in storage.accounts.values() {
            *sums.entry(account.currency).or_default() += i128::from(account.balance);
        }
        for contra in storage.contra.values() {
            *sums.entry(contra.id.currency).or_default() += i128::from(contra.balance);
        }
        prop_assert!(sums.values().all(|sum| *sum == 0), "{sums:?}");
    }

    #[test]
    fn balance_is_the_fold_of_the_entries(commands in commands()) {
        let (storage, _) = settled(&commands);
        for (account, entries) in &storage.entries {
            let mut balance = 0i128;
            for entry in entries {
                balance += i128::from(entry.balance_change());
                prop_assert_eq!(i128::from(entry.balance), balance);
            }
            prop_assert_eq!(i128::from(storage.accounts[account].balance), balance);
        }
    }

    #[test]
    fn held_is_the_sum_of_the_open_holds(commands in commands()) {
        for account in settled(&commands).0.accounts.values() {
            prop_assert_eq!(account.held, account.holds.iter().map(|hold| hold.remaining).sum::<i64>());
            prop_assert!(account.holds.iter().all(|hold| hold.remaining > 0));
        }
    }

    #[test]
    fn available_is_never_negative(commands in commands()) {
        let (_, outcomes) = settled(&commands);
        prop_assert!(outcomes.iter().all(|outcome| outcome.entry.available >= 0 && outcome.entry.held >= 0));
    }

    #[test]
    fn sequence_numbers_have_no_gaps(commands in commands()) {
        let (storage, outcomes) = settled(&commands);
        for (account, entries) in &storage.entries {
            let sequences: Vec<_> = entries.iter().map(|entry| entry.sequence).collect();
            prop_assert_eq!(&sequences, &(1..=entries.len() as u64).collect::<Vec<_>>());
            prop_assert_eq!(storage.accounts[account].sequence, entries.len() as u64);
        }
        let booked = outcomes.iter().filter(|outcome| outcome.is_booked()).count();
        prop_assert_eq!(storage.entries.values().map(Vec::len).sum::<usize>(), booked);
    }

    #[test]
    fn hold_ends_once_and_gives_no_more_than_it_held(commands in commands()) {
        for entries in settled(&commands).0.entries.values() {
            let mut ended = BTreeSet::new();
            let mut left = BTreeMap::new();
            for entry in entries.iter().filter(|entry| entry.status == EntryStatus::Posted) {
                let amount = entry.money.map_or(0, |money| money.amount.minor_units());
                let Some(request) = entry.request else {
                    if entry.kind == Kind::WithdrawalRequest {
                        left.insert(entry.position, amount);
                    }
                    continue;
                };
                prop_assert!(!ended.contains(&request), "{entry:?} comes after the end of its hold");
                let left = left.get_mut(&request).expect("the request was posted before");
                *left -= amount;
                prop_assert!(*left >= 0);
                if entry.remaining == Some(0) {
                    ended.insert(request);
                }
            }
        }
    }

    #[test]
    fn batches_of_any_size_settle_the_same(commands in commands(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let (whole, outcomes) = settled(&commands);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(commands.len())).collect();
        cuts.extend([0, commands.len()]);
        cuts.sort_unstable();
        let mut split = Storage::new(given_accounts());
        let batches = cuts.windows(2).map(|cut| &commands[cut[0]..cut[1]]);
        let split_outcomes: Vec<_> = batches.flat_map(|batch| split.settle(batch)).collect();
        prop_assert_eq!(outcomes, split_outcomes);
        prop_assert_eq!(whole, split);
    }

    #[test]
    fn chain_of_digests_verifies_and_any_change_breaks_it(commands in commands(), place: prop::sample::Index) {
        let (storage, _) = settled(&commands);
        for (account, entries) in storage.entries.iter().filter(|(_, entries)| !entries.is_empty()) {
            let head = storage.accounts[account].head;
            prop_assert_eq!(chain(entries), head);
            let place = place.index(entries.len());
            for (field, changed) in history::changed_in_each_field(&entries[place]) {
                let mut entries = entries.clone();
                entries[place] = changed;
                prop_assert_ne!(chain(&entries), head, "changed {} of entry {}", field, place);
            }
            prop_assert_ne!(chain(&entries[..place]), head, "left out the entries from {} on", place);
        }
    }

    #[test]
    fn page_heads_end_full_pages(commands in commands()) {
        let (storage, _) = settled(&commands);
        for (account, heads) in &storage.page_heads {
            let pages = storage.entries[account].chunks_exact(crate::PAGE_CAPACITY as usize);
            let ends: Vec<_> = pages.scan([0; 32], |head, page| { *head = chain_from(*head, page); Some(*head) }).collect();
            prop_assert_eq!(heads, &ends);
        }
    }
}

fn chain(entries: &[Entry]) -> Digest {
    chain_from([0; 32], entries)
}

fn chain_from(head: Digest, entries: &[Entry]) -> Digest {
    entries.iter().fold(head, |head, entry| entry.digest(&head))
}

fn at(offset: u64) -> Position {
    Position::new(1, history::PARTITION, offset).unwrap()
}
