//! The invariants of the rules of money, over generated histories of a few accounts.
//!
//! `history` makes the commands, `model` decides them anew in the plainest way there is, and `storage` keeps what
//! settling changed, so that a history can be settled in any split of batches.

mod history;
mod model;
mod storage;

use std::collections::BTreeMap;

use proptest::prelude::*;

use self::history::{commands, given_accounts};
use self::model::{Model, Verdict};
use self::storage::Storage;
use crate::{AccountId, Command, Digest, Entry, Line, Outcome, Position, chain_start, check_open_page};

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
            let after = entry.after;
            let said = (Verdict::from(&entry.line), after.balance.into(), after.held.into(), after.available.into());
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
            *sums.entry(contra.id.currency).or_default() += contra.balance;
        }
        prop_assert!(sums.values().all(|sum| *sum == 0), "{sums:?}");
    }

    #[test]
    fn balance_and_held_money_are_the_fold_of_the_entries(commands in commands()) {
        let (storage, _) = settled(&commands);
        for (account, entries) in storage.all_entries() {
            let (mut balance, mut held) = (0i128, 0i128);
            for entry in entries {
                let change = entry.line.change();
                balance += i128::from(change.balance);
                held += i128::from(change.held) - entry.expired.iter().map(|hold| i128::from(hold.released)).sum::<i128>();
                prop_assert_eq!((i128::from(entry.after.balance), i128::from(entry.after.held)), (balance, held));
            }
            let account = &storage.accounts[account];
            prop_assert_eq!((i128::from(account.balance), i128::from(account.held)), (balance, held));
        }
    }

    #[test]
    fn every_account_is_sound(commands in commands()) {
        for account in settled(&commands).0.accounts.values() {
            prop_assert_eq!(account.check(), Ok(()));
        }
    }

    #[test]
    fn available_is_never_negative(commands in commands()) {
        let (_, outcomes) = settled(&commands);
        let after = |outcome: &Outcome| outcome.entry.after;
        prop_assert!(outcomes.iter().map(after).all(|after| after.available >= 0 && after.held >= 0));
    }

    #[test]
    fn sequence_numbers_have_no_gaps(commands in commands()) {
        let (storage, outcomes) = settled(&commands);
        let mut booked = 0;
        for (account, entries) in storage.all_entries() {
            let sequences: Vec<_> = entries.iter().map(|entry| entry.sequence).collect();
            prop_assert_eq!(&sequences, &(1..=entries.len() as u64).collect::<Vec<_>>());
            prop_assert_eq!(storage.accounts[account].sequence, entries.len() as u64);
            booked += entries.len();
        }
        prop_assert_eq!(outcomes.iter().filter(|outcome| outcome.is_booked()).count(), booked);
    }

    #[test]
    fn hold_ends_once_and_gives_no_more_than_it_held(commands in commands()) {
        for (_, entries) in settled(&commands).0.all_entries() {
            let mut open = BTreeMap::new();
            for entry in entries {
                for hold in &entry.expired {
                    prop_assert_eq!(open.remove(&hold.request), Some(hold.released));
                }
                match entry.line {
                    Line::Hold { money, .. } => {
                        open.insert(entry.position, money.amount.minor_units());
                    }
                    Line::Capture { request, money, remaining, released, .. } => {
                        let left = open.remove(&request).expect("the hold is open") - money.amount.minor_units();
                        prop_assert_eq!(left, remaining + released);
                        if remaining > 0 {
                            open.insert(request, remaining);
                        }
                    }
                    Line::Release { request, released } => {
                        prop_assert_eq!(open.remove(&request), Some(released.amount.minor_units()));
                    }
                    Line::Deposit { .. } | Line::Withdrawal { .. } | Line::Refused { .. } | Line::Replayed { .. } => {}
                }
            }
        }
    }

    #[test]
    fn lines_keep_what_was_asked(commands in commands()) {
        for (command, outcome) in commands.iter().zip(settled(&commands).1) {
            prop_assert!(outcome.is_of(command), "{:?} of {:?}", outcome, command);
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
        for (account, entries) in storage.all_entries().filter(|(_, entries)| !entries.is_empty()) {
            let head = storage.accounts[account].head;
            prop_assert_eq!(chain(account, &entries), head);
            prop_assert_ne!(chain(&"zoe".parse().unwrap(), &entries), head, "in the book of another account");
            let place = place.index(entries.len());
            for (fact, changed) in history::changed_in_each_fact(&entries[place]) {
                let mut entries = entries.clone();
                entries[place] = changed;
                prop_assert_ne!(chain(account, &entries), head, "changed {} of entry {}", fact, place);
            }
            prop_assert_ne!(chain(account, &entries[..place]), head, "left out the entries from {} on", place);
        }
    }

    #[test]
    fn pages_are_full_and_end_with_their_heads(commands in commands()) {
        let (storage, _) = settled(&commands);
        for (account, pages) in &storage.pages {
            let mut head = chain_start(account);
            for (page, number) in pages.iter().zip(0..) {
                head = chain_from(head, &page.entries);
                prop_assert_eq!((page.number, page.entries.len() as u64, page.head), (number, crate::PAGE_CAPACITY, head));
            }
            let open = storage.entries(account).len() as u64 - pages.len() as u64 * crate::PAGE_CAPACITY;
            prop_assert_eq!(check_open_page(open, storage.accounts[account].sequence), Ok(()));
        }
    }
}

fn chain(account: &AccountId, entries: &[Entry]) -> Digest {
    chain_from(chain_start(account), entries)
}

fn chain_from(head: Digest, entries: &[Entry]) -> Digest {
    entries.iter().fold(head, |head, entry| entry.digest(&head))
}

fn at(offset: u64) -> Position {
    Position::new(1, history::PARTITION, offset).unwrap()
}
