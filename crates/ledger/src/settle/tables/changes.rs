//! What a batch leaves to be written down, beside its outcomes.

use super::teller::*;
use crate::{
    Action, Change, Changes, Command, Digest, Entry, ExpiredHold, HoldEnd, KnownKey, Line, NotRead, OpenPage, Outcome,
    PAGE_CAPACITY, Page, Policy, Refusal, Timestamp, Worksheet, chain_start, settle,
};

fn changes(given: Given, steps: &[Step]) -> (Vec<Outcome>, Changes) {
    let mut worksheet = given.worksheet();
    let outcomes = settle_steps(&mut worksheet, steps);
    (outcomes, worksheet.into_changes())
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
fn contra_account_takes_more_than_64_bits() {
    let names: Vec<String> = (0..1_025).map(|number| format!("account-{number}")).collect();
    let steps: Vec<Step> = names.iter().map(|name| deposit(MAX_AMOUNT).by(name.clone().leak())).collect();
    let (outcomes, changes) = changes(nothing(), &steps);
    assert!(outcomes.iter().all(|outcome| matches!(outcome.entry.line, Line::Deposit { .. })));
    assert_eq!(changes.contra[0].balance, -1_025 * i128::from(MAX_AMOUNT));
    assert!(changes.contra[0].balance < i64::MIN.into());
}

#[test]
fn account_that_was_only_read_is_not_a_change() {
    let (_, changes) = changes(open(5), &[deposit(1).by("bob")]);
    let ids: Vec<_> = changes.accounts.iter().map(|change| change.after.id.as_str()).collect();
    assert_eq!(ids, ["bob"]);
    assert_eq!(changes.accounts[0].before, None);
}

#[test]
fn accounts_come_in_the_order_of_their_ids() {
    let (_, changes) = changes(open(5), &["dora", "carol", "bob"].map(|name| deposit(1).by(name)));
    let ids: Vec<_> = changes.accounts.iter().map(|change| change.after.id.as_str()).collect();
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
    let [change] = changes.keys.as_slice() else { panic!("one key: {:?}", changes.keys) };
    assert_eq!((change.account.as_str(), change.key.as_str(), change.known.position), ("alice", "a", at(0)));
    assert!(!change.replaces);
}

#[test]
fn key_known_from_an_earlier_batch_is_replayed_and_not_new() {
    let known = changes(nothing(), &[deposit(1).key("any")]).1.keys.remove(0).known;
    let mut worksheet = open(5).worksheet();
    worksheet.add_key(id("alice"), "a".parse().unwrap(), Some(KnownKey { position: at(7), ..known }));
    let outcomes = settle_steps(&mut worksheet, &[deposit(1).key("a")]);
    assert!(matches!(outcomes[0].entry.line, Line::Replayed { original, .. } if original == at(7)));
    assert!(worksheet.into_changes().keys.is_empty());
}

#[test]
fn hold_that_ended_in_an_earlier_batch_says_how() {
    let by = at(9);
    for (end, expected) in [
        (HoldEnd::Captured { by }, Refusal::HoldCaptured { by }),
        (HoldEnd::Released { by }, Refusal::HoldReleased { by }),
        (HoldEnd::Expired { at: START }, Refusal::HoldExpired { at: START }),
    ] {
        let mut worksheet = open(5).worksheet();
        worksheet.add_ended_hold(id("alice"), at(2), Some(end));
        for outcome in settle_steps(&mut worksheet, &[capture(2, 1), release(2)]) {
            assert!(matches!(outcome.entry.line, Line::Refused { refusal, .. } if refusal == expected), "{outcome:?}");
        }
    }
}

#[test]
fn what_nobody_has_read_ends_the_batch() {
    let alice = id("alice");
    let (key, request) = ("a".parse().unwrap(), at(7));
    let of = |worksheet: &mut Worksheet, step: Step| settle(worksheet, [step.command(0)]).map(drop);
    let nothing_read = || Worksheet::new(Policy::default(), PARTITION, START, SETTLED_AT);
    assert_eq!(of(&mut nothing_read(), deposit(1)), Err(NotRead::Account(alice.clone())));
    let mut absent = nothing_read();
    absent.add_absent_account(alice.clone());
    let contra = crate::ContraId { currency: "EUR".parse().unwrap(), partition: PARTITION };
    assert_eq!(of(&mut absent, deposit(1)), Err(NotRead::Contra(contra)));
    let mut keyless = open(5).worksheet();
    assert_eq!(of(&mut keyless, deposit(1).key("a")), Err(NotRead::Key(alice.clone())));
    keyless.add_key(alice.clone(), key, None);
    assert_eq!(of(&mut keyless, deposit(1).key("a")), Ok(()));
    let unsearched = NotRead::EndedHold { account: alice.clone(), request };
    assert_eq!(of(&mut open(5).worksheet(), capture(7, 1)), Err(unsearched));
    let mut full = Worksheet::new(Policy::default(), PARTITION, START, SETTLED_AT);
    full.add_account(changes(nothing(), &vec![deposit(1); 16]).1.accounts.remove(0).after, None);
    full.add_contra(crate::ContraAccount::open(contra));
    assert_eq!(of(&mut full, deposit(1)), Err(NotRead::OpenPage(alice)));
}

#[test]
fn clock_is_the_latest_time_seen() {
    let mut worksheet = nothing().worksheet();
    let outcomes =
        settle_steps(&mut worksheet, &[deposit(1).at(5), deposit(1).at(-5), deposit(1).at(3), deposit(1).at(6)]);
    let seconds = outcomes.iter().map(|outcome| (outcome.entry.recorded_at.epoch_ms() - START.epoch_ms()) / 1_000);
    assert_eq!(seconds.collect::<Vec<_>>(), [5, 5, 5, 6]);
    assert_eq!(worksheet.clock(), START.plus_seconds(6));
}

#[test]
fn entries_say_what_was_asked_and_what_came_of_it() {
    let steps =
        [hold(60), capture_and_keep(0, 20), release(0), withdraw(500), deposit(1).key("a"), deposit(1).key("a")];
    let (outcomes, _) = changes(open(100), &steps);
    let lines: Vec<_> = outcomes.iter().map(|outcome| outcome.entry.line.clone()).collect();
    let (request, expires_at) = (at(0), START.plus_seconds(10));
    let available = 80;
    let expected = [
        Line::Hold { money: euros(60), expires_in_seconds: 10, expires_at },
        Line::Capture { request, money: euros(20), is_final: false, remaining: 40, released: 0 },
        Line::Release { request, released: euros(40) },
        Line::Refused { asked: Action::Withdrawal(euros(500)), refusal: Refusal::InsufficientFunds { available } },
        Line::Deposit { money: euros(1) },
        Line::Replayed { asked: Action::Deposit(euros(1)), original: at(4) },
    ];
    assert_eq!(lines, expected);
    assert!(outcomes.iter().all(|outcome| outcome.entry.settled_at == SETTLED_AT));
    assert!(outcomes.iter().zip(1..).all(|(outcome, sequence)| outcome.entry.sequence == sequence));
    assert!(outcomes.iter().zip(0..).all(|(outcome, offset)| outcome.id().position == at(offset)));
}

#[test]
fn lines_say_word_for_word_what_was_asked() {
    let steps =
        [hold(60), capture(0, 20), hold(3), release(2), withdraw(500), withdraw(1).key("a"), withdraw(1).key("a")];
    let (outcomes, _) = changes(open(100), &steps);
    for (outcome, (step, offset)) in outcomes.iter().zip(steps.into_iter().zip(0..)) {
        let command: Command = step.command(offset);
        assert!(outcome.is_of(&command), "{outcome:?} of {command:?}");
        assert!(!outcome.is_of(&Command { account: id("bob"), ..command.clone() }));
        assert!(!outcome.is_of(&Command { reference: Some("another".parse().unwrap()), ..command.clone() }));
        assert!(!outcome.is_of(&Command { action: Action::Deposit(euros(7)), ..command }));
    }
}

#[test]
fn lines_say_how_they_move_the_books() {
    let steps = [
        deposit(9),
        hold(60),
        capture_and_keep(1, 20),
        capture(1, 15),
        hold(7),
        release(4),
        withdraw(5),
        withdraw(500),
    ];
    let (outcomes, _) = changes(open(100), &steps);
    let moved: Vec<_> = outcomes.iter().map(|outcome| outcome.entry.line.change()).collect();
    let expected = [(9, 0), (0, 60), (-20, -20), (-15, -40), (0, 7), (0, -7), (-5, 0), (0, 0)];
    assert_eq!(moved, expected.map(|(balance, held)| Change { balance, held }));
}

#[test]
fn a_hold_that_expires_is_named_by_the_next_entry() {
    let steps = [hold_for(10, 30), hold_for(20, 5), deposit(1).at(10), deposit(1).at(10)];
    let (outcomes, _) = changes(open(100), &steps);
    let expired = ExpiredHold { request: at(0), released: 30, expired_at: START.plus_seconds(10) };
    let named: Vec<_> = outcomes.iter().map(|outcome| outcome.entry.expired.clone()).collect();
    assert_eq!(named, [vec![], vec![], vec![expired], vec![]]);
    let ended: Vec<_> = outcomes[2].entry.ended_holds().collect();
    assert_eq!(ended, [(at(0), HoldEnd::Expired { at: START.plus_seconds(10) })]);
}

#[test]
fn release_says_what_it_gave_back_where_no_command_could_name_as_much() {
    let (outcomes, _) = changes(open(MAX), &[hold(MAX), release(0)]);
    assert_eq!(outcomes[1].entry.line, Line::Release { request: at(0), released: euros(MAX) });
}

#[test]
fn pages_turn_with_the_entry_after_their_last() {
    for (before, new) in [(0, 15), (0, 16), (0, 33), (15, 1), (16, 16), (16, 1), (5, 60), (32, 17)] {
        let mut storage = Storage::default();
        storage.settle(before);
        storage.settle(new);
        let all = storage.all();
        assert_eq!(all.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), (1..=before + new).collect::<Vec<_>>());
        let turned = (before + new - 1) / PAGE_CAPACITY;
        assert_eq!(storage.pages.iter().map(|page| page.number).collect::<Vec<_>>(), (0..turned).collect::<Vec<_>>());
        let heads = heads_of_full_pages(chain_start(&id("alice")), &all);
        let stored: Vec<_> = storage.pages.iter().map(|page| page.head).collect();
        assert_eq!(stored, heads[..turned as usize], "{before} then {new}");
    }
}

/// Alice's account, as it is kept between two batches of deposits.
#[derive(Default)]
struct Storage {
    account: Option<crate::Account>,
    open: Vec<Entry>,
    pages: Vec<Page>,
}

impl Storage {
    fn settle(&mut self, deposits: u64) {
        let mut worksheet = nothing().worksheet();
        if let Some(account) = self.account.take() {
            worksheet.add_account(account, Some(self.open.clone()));
        }
        settle_steps(&mut worksheet, &vec![deposit(1); deposits as usize]);
        let Some(change) = worksheet.into_changes().accounts.pop() else { return };
        self.account = Some(change.after);
        self.pages.extend(change.turned);
        match change.open_page {
            OpenPage::Grown(entries) => self.open.extend(entries),
            OpenPage::Begun(entries) => self.open = entries,
        }
    }

    fn all(&self) -> Vec<Entry> {
        self.pages.iter().flat_map(|page| &page.entries).chain(&self.open).cloned().collect()
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
    let account = changes.accounts.remove(0).after;
    for (now, held) in [(START, 35), (START.plus_seconds(9), 35), (START.plus_seconds(10), 5), (LATE, 0)] {
        let read = account.clone().at(now);
        assert_eq!((read.held, read.available()), (held, 100 - held));
    }
}

const LATE: Timestamp = START.plus_seconds(1_000_000);
