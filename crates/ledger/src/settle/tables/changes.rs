//! What a batch leaves to be written down, beside its outcomes.

use super::teller::*;
use crate::{
    Book, Changes, Digest, Entry, EntryStatus, HoldEnd, Idempotency, KnownKey, Outcome, PAGE_CAPACITY, Policy, Refusal,
    Timestamp,
};

fn changes(given: Given, steps: &[Step]) -> (Vec<Outcome>, Changes) {
    let mut book = given.book();
    let outcomes = settle_steps(&mut book, steps);
    (outcomes, book.into_changes())
}

#[test]
fn command_for_an_account_that_is_not_there_leaves_none() {
    let steps = [withdraw(1), hold(1), capture(0, 1), release(0), withdraw(1).key("a")];
    let (outcomes, changes) = changes(nothing(), &steps);
    assert!(outcomes.iter().all(|outcome| !outcome.is_booked()));
    assert!(changes.accounts.is_empty() && changes.contra.is_empty());
    assert_eq!(changes.keys.len(), 1, "its key is kept all the same");
}

#[test]
fn first_deposit_that_the_contra_account_refuses_leaves_no_account() {
    let (outcomes, changes) = changes(contra(i64::MIN), &[deposit(1).key("a")]);
    assert_eq!(outcomes[0].entry.status, EntryStatus::Refused(Refusal::BalanceLimit));
    assert!(!outcomes[0].is_booked());
    assert!(changes.accounts.is_empty() && changes.contra.is_empty());
    assert_eq!(changes.keys.len(), 1, "its key is kept all the same");
}

#[test]
fn contra_account_has_room_for_1024_of_the_largest_deposits() {
    let names: Vec<String> = (0..1_025).map(|number| format!("account-{number}")).collect();
    let steps: Vec<Step> = names.iter().map(|name| deposit(MAX_AMOUNT).by(name.clone().leak())).collect();
    let (outcomes, changes) = changes(nothing(), &steps);
    let posted = outcomes.iter().take_while(|outcome| outcome.entry.status == EntryStatus::Posted).count();
    assert_eq!((posted, changes.accounts.len()), (1_024, 1_024));
    assert_eq!(outcomes[1_024].entry.status, EntryStatus::Refused(Refusal::BalanceLimit));
}

#[test]
fn account_that_was_only_read_is_not_a_change() {
    let (_, changes) = changes(open(5), &[deposit(1).by("bob")]);
    let ids: Vec<_> = changes.accounts.iter().map(|change| change.account.id.as_str()).collect();
    assert_eq!(ids, ["bob"]);
    assert!(changes.accounts[0].is_new);
    assert_eq!(changes.accounts[0].sequence_before, 0);
}

#[test]
fn accounts_come_in_the_order_of_their_ids() {
    let (_, changes) = changes(open(5), &["dora", "carol", "bob"].map(|name| deposit(1).by(name)));
    let ids: Vec<_> = changes.accounts.iter().map(|change| change.account.id.as_str()).collect();
    assert_eq!(ids, ["bob", "carol", "dora"]);
}

#[test]
fn contra_account_takes_the_other_side_of_every_posting() {
    let steps = [deposit(100), withdraw(30), hold(20), capture(2, 20), withdraw(1_000), release(2)];
    let (_, changes) = changes(nothing(), &steps);
    let [contra] = changes.contra.as_slice() else { panic!("one contra account: {:?}", changes.contra) };
    assert_eq!((contra.balance, contra.postings), (-50, 3));
    assert_eq!(contra.id.to_string(), "@world.EUR.3");
}

#[test]
fn refusals_holds_and_releases_leave_the_contra_account_alone() {
    let (_, changes) = changes(open(5), &[withdraw(6), hold(5), release(1)]);
    assert!(changes.contra.is_empty());
}

#[test]
fn each_currency_has_a_contra_account_of_its_own() {
    let (_, changes) = changes(nothing(), &[deposit(5), deposit(7).by("bob").in_dollars()]);
    let contra: Vec<_> = changes.contra.iter().map(|contra| (contra.id.to_string(), contra.balance)).collect();
    let expected = [("@world.EUR.3", -5), ("@world.USD.3", -7)].map(|(id, balance)| (id.to_owned(), balance));
    assert_eq!(contra, expected);
}

#[test]
fn keys_are_new_once_and_name_the_first_command() {
    let (_, changes) = changes(nothing(), &[deposit(1).key("a"), deposit(1).key("a"), deposit(2).key("a")]);
    let [(account, key, known)] = changes.keys.as_slice() else { panic!("one key: {:?}", changes.keys) };
    assert_eq!((account.as_str(), key.as_str(), known.position), ("alice", "a", at(0)));
}

#[test]
fn key_known_from_an_earlier_batch_is_replayed_and_not_new() {
    let mut book = open(5).book();
    let known = KnownKey { fingerprint: fingerprint(1), position: at(7) };
    book.add_key(id("alice"), "a".parse().unwrap(), known);
    let outcomes = settle_steps(&mut book, &[deposit(1).key("a")]);
    assert_eq!(outcomes[0].entry.status, EntryStatus::Replayed { original: at(7) });
    assert!(book.into_changes().keys.is_empty());
}

/// As a step that asks for this amount has it.
fn fingerprint(amount: i64) -> [u8; 32] {
    let mut book = nothing().book();
    settle_steps(&mut book, &[deposit(amount).key("any")]);
    let (_, _, known) = book.into_changes().keys.remove(0);
    Idempotency { key: "any".parse().unwrap(), fingerprint: known.fingerprint }.fingerprint
}

#[test]
fn hold_that_ended_in_an_earlier_batch_says_how() {
    let by = at(9);
    for (end, refusal) in [
        (HoldEnd::Captured { by }, Refusal::HoldCaptured { by }),
        (HoldEnd::Released { by }, Refusal::HoldReleased { by }),
        (HoldEnd::Expired { at: START }, Refusal::HoldExpired { at: START }),
    ] {
        let mut book = open(5).book();
        book.add_ended_hold(id("alice"), at(2), end);
        let outcomes = settle_steps(&mut book, &[capture(2, 1), release(2)]);
        assert!(outcomes.iter().all(|outcome| outcome.entry.status == EntryStatus::Refused(refusal)), "{outcomes:?}");
    }
}

#[test]
fn clock_is_the_latest_time_seen() {
    let mut book = Book::new(Policy::default(), PARTITION, START, SETTLED_AT);
    let outcomes = settle_steps(&mut book, &[deposit(1).at(5), deposit(1).at(-5), deposit(1).at(3), deposit(1).at(6)]);
    let seconds = outcomes.iter().map(|outcome| (outcome.entry.recorded_at.epoch_ms() - START.epoch_ms()) / 1_000);
    assert_eq!(seconds.collect::<Vec<_>>(), [5, 5, 5, 6]);
    assert_eq!(book.clock(), START.plus_seconds(6));
}

#[test]
fn entries_say_what_was_asked_and_what_is_left_of_the_hold() {
    let steps =
        [hold(60), capture_and_keep(0, 20), release(0), withdraw(500), deposit(1).key("a"), deposit(1).key("a")];
    let (outcomes, _) = changes(open(100), &steps);
    let said: Vec<_> = outcomes
        .iter()
        .map(|Outcome { entry, .. }| (entry.kind.name(), entry.money, entry.request, entry.remaining, entry.expires_at))
        .collect();
    let expires_at = Some(START.plus_seconds(10));
    let expected = [
        ("withdrawal_request", Some(euros(60)), None, Some(60), expires_at),
        ("withdrawal", Some(euros(20)), Some(at(0)), Some(40), None),
        ("release", Some(euros(40)), Some(at(0)), Some(0), None),
        ("withdrawal", Some(euros(500)), None, None, None),
        ("deposit", Some(euros(1)), None, None, None),
        ("deposit", Some(euros(1)), None, None, None),
    ];
    assert_eq!(said, expected);
    assert!(outcomes.iter().all(|outcome| outcome.entry.settled_at == SETTLED_AT));
    assert!(outcomes.iter().zip(1..).all(|(outcome, sequence)| outcome.entry.sequence == sequence));
    assert!(outcomes.iter().zip(0..).all(|(outcome, offset)| outcome.id().position == at(offset)));
}

#[test]
fn release_says_what_it_gave_back_where_no_command_could_name_as_much() {
    let (outcomes, _) = changes(open(MAX), &[hold(MAX), release(0)]);
    assert_eq!(outcomes[1].entry.money, Some(euros(MAX)));
}

#[test]
fn page_heads_are_the_digests_of_each_pages_last_entry() {
    for (before, new) in [(0, 15), (0, 16), (0, 33), (15, 1), (16, 16), (5, 60)] {
        let mut first = nothing().book();
        settle_steps(&mut first, &vec![deposit(1); before]);
        let mut book = nothing().book();
        let mut head = [0; 32];
        for change in first.into_changes().accounts {
            head = change.account.head;
            book.add_account(change.account);
        }
        settle_steps(&mut book, &vec![deposit(1); new]);
        let change = book.into_changes().accounts.remove(0);
        assert_eq!(change.sequence_before, before as u64);
        assert_eq!(change.account.sequence, (before + new) as u64);
        assert_eq!(change.page_heads, heads_of_full_pages(head, &change.entries), "{before} then {new}");
    }
}

fn heads_of_full_pages(mut head: Digest, entries: &[Entry]) -> Vec<Digest> {
    let mut heads = Vec::new();
    for entry in entries {
        head = entry.digest(&head);
        if entry.sequence % PAGE_CAPACITY == 0 {
            heads.push(head);
        }
    }
    heads
}

#[test]
fn account_read_at_a_later_moment_has_its_expired_holds_back() {
    let (_, mut changes) = changes(open(100), &[hold_for(10, 30), hold_for(20, 5)]);
    let account = changes.accounts.remove(0).account;
    for (now, held) in [(START, 35), (START.plus_seconds(9), 35), (START.plus_seconds(10), 5), (LATE, 0)] {
        let read = account.clone().at(now);
        assert_eq!((read.held, read.available()), (held, 100 - held));
    }
}

const LATE: Timestamp = START.plus_seconds(1_000_000);
