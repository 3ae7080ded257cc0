//! How a hold ended is known for good, wherever the entries that tell have been turned to.

use ledger::{Action, ExpiredHold, HoldEnd, Line, Position, Refusal, Timestamp};
use ledger_store::AppliedOutcome;

use crate::harness::{Books, line, on_both_stores, refusal};
use crate::log::{Log, money, position};

on_both_stores!(
    an_ended_hold_says_how_it_ended,
    a_hold_that_expired_says_when,
    a_hold_that_expired_while_the_page_turned_says_when,
    a_hold_is_captured_in_parts,
    a_request_from_nowhere_is_not_found,
    a_hold_that_expires_is_named_in_the_book,
    many_holds_come_and_go_one_by_one,
);

fn expiry(request: &AppliedOutcome) -> Timestamp {
    match line(request) {
        Line::Hold { expires_at, .. } => *expires_at,
        other => panic!("no hold but {other:?}"),
    }
}

/// How many entries stand after the one that ended a hold: none leaves it in the open page, the others turn it over.
const FURTHER_ENTRIES: [usize; 4] = [0, 3, 17, 70];

async fn an_ended_hold_says_how_it_ended(store: impl Books) {
    for (partition, further) in (0..).zip(FURTHER_ENTRIES) {
        let account = format!("account-{further}");
        let mut log = Log::of(partition);
        let deposit = log.deposit(&account, 100);
        let (captured, released) = (log.request(&account, 5, 6_000), log.request(&account, 7, 6_000));
        let (captured_at, released_at) = (position(&captured), position(&released));
        let (capture, release) = (log.capture(&account, captured_at, 5), log.release(&account, released_at));
        let ends = (position(&capture), position(&release));
        let mut records = vec![deposit, captured, released, capture, release];
        records.extend(log.deposits(&account, further));
        store.try_settle(crate::log::batch(partition, &records)).await.unwrap();
        let late = [
            log.capture(&account, captured_at, 1),
            log.release(&account, captured_at),
            log.capture(&account, released_at, 1),
            log.release(&account, released_at),
        ];
        let outcomes = store.try_settle(crate::log::batch(partition, &late)).await.unwrap();
        let (by_capture, by_release) = (Refusal::HoldCaptured { by: ends.0 }, Refusal::HoldReleased { by: ends.1 });
        let expected = [by_capture, by_capture, by_release, by_release];
        assert_eq!(outcomes.iter().map(refusal).collect::<Vec<_>>(), expected, "{further} entries later");
    }
}

async fn a_hold_that_expired_says_when(store: impl Books) {
    for (partition, further) in (0..).zip(FURTHER_ENTRIES) {
        let account = format!("account-{further}");
        let mut log = Log::of(partition);
        let (deposit, request) = (log.deposit(&account, 100), log.request(&account, 5, 60));
        let mut records = vec![deposit, request.clone()];
        records.extend(log.deposits(&account, further));
        let outcomes = store.try_settle(crate::log::batch(partition, &records)).await.unwrap();
        let at = expiry(&outcomes[1]);
        log.now += 60_000;
        let capture = log.capture(&account, position(&request), 5);
        let outcomes = store.try_settle(crate::log::batch(partition, &[capture])).await.unwrap();
        assert_eq!(refusal(&outcomes[0]), Refusal::HoldExpired { at }, "{further} entries later");
        assert_eq!(store.account_of(&account).await.held, 0);
    }
}

async fn a_hold_that_expired_while_the_page_turned_says_when(store: impl Books) {
    for (partition, further) in (0..).zip(FURTHER_ENTRIES) {
        let account = format!("account-{further}");
        let mut log = Log::of(partition);
        let (deposit, request) = (log.deposit(&account, 100), log.request(&account, 5, 60));
        let outcomes = store.try_settle(crate::log::batch(partition, &[deposit, request.clone()])).await.unwrap();
        let at = expiry(&outcomes[1]);
        log.now += 60_000;
        let mut records = vec![log.deposit(&account, 1)];
        records.extend(log.deposits(&account, further));
        store.try_settle(crate::log::batch(partition, &records)).await.unwrap();
        let capture = log.capture(&account, position(&request), 5);
        let outcomes = store.try_settle(crate::log::batch(partition, &[capture])).await.unwrap();
        assert_eq!(refusal(&outcomes[0]), Refusal::HoldExpired { at }, "{further} entries later");
    }
}

async fn a_hold_is_captured_in_parts(store: impl Books) {
    let mut log = Log::of(0);
    let (deposit, request) = (log.deposit("alice", 100), log.request("alice", 50, 6_000));
    store.settle(&[deposit, request.clone()]).await;
    let request = position(&request);
    let part = |log: &mut Log, amount, is_final| {
        log.push("alice", Action::Capture { request, money: money(amount), is_final })
    };
    let mut records = vec![part(&mut log, 20, false)];
    records.extend(log.deposits("alice", 30));
    store.settle(&records).await;
    let account = store.account_of("alice").await;
    assert_eq!((account.balance, account.held, account.available()), (110, 30, 80));
    let outcomes = store.settle(&[part(&mut log, 31, true), part(&mut log, 10, true)]).await;
    assert_eq!(refusal(&outcomes[0]), Refusal::ExceedsHold { remaining: 30 });
    let by = outcomes[1].position;
    let account = store.account_of("alice").await;
    assert_eq!((account.balance, account.held, account.holds.len()), (100, 0, 0));
    let outcomes = store.settle(&[part(&mut log, 1, true)]).await;
    assert_eq!(refusal(&outcomes[0]), Refusal::HoldCaptured { by });
}

async fn a_request_from_nowhere_is_not_found(store: impl Books) {
    let mut log = Log::of(0);
    let mut records = vec![log.deposit("alice", 100), log.deposit("bob", 100)];
    let others = log.request("bob", 5, 6_000);
    records.push(others.clone());
    records.extend(log.deposits("alice", 40));
    store.settle(&records).await;
    let nowhere = [
        position(&others),
        position(&records[0]),
        Position::new(1, 0, 1_000).unwrap(),
        Position::new(2, 0, 0).unwrap(),
        Position::new(1, 7, 0).unwrap(),
    ];
    let records = nowhere.map(|request| log.capture("alice", request, 5));
    let outcomes = store.settle(&records).await;
    assert!(outcomes.iter().all(|outcome| refusal(outcome) == Refusal::HoldNotFound), "{outcomes:?}");
}

async fn a_hold_that_expires_is_named_in_the_book(store: impl Books) {
    let mut log = Log::of(0);
    let records = [log.deposit("alice", 500), log.request("alice", 400, 60)];
    let outcomes = store.settle(&records).await;
    let (request, expired_at) = (position(&records[1]), expiry(&outcomes[1]));
    log.now += 60_000;
    store.settle(&[log.deposit("alice", 1)]).await;
    let newest = store.whole_statement("alice").await.remove(0).entry;
    assert_eq!(newest.after.available, 501, "401 more than before a deposit of 1");
    assert_eq!(newest.expired, [ExpiredHold { request, released: 400, expired_at }], "and the reader can see why");
    assert_eq!(newest.ended_holds().collect::<Vec<_>>(), [(request, HoldEnd::Expired { at: expired_at })]);
}

/// Each batch writes only the holds that changed; what it leaves must be all that are open.
async fn many_holds_come_and_go_one_by_one(store: impl Books) {
    let mut log = Log::of(0);
    store.settle(&[log.deposit("alice", 1_000)]).await;
    let mut open: Vec<Position> = Vec::new();
    for round in 0..40 {
        let request = log.request("alice", 10, 6_000);
        open.push(position(&request));
        let mut records = vec![request];
        if round % 3 == 2 {
            records.push(log.release("alice", open.remove(round % open.len())));
        }
        if round % 4 == 3 {
            let request = open[round % open.len()];
            records.push(log.push("alice", Action::Capture { request, money: money(1), is_final: false }));
        }
        store.settle(&records).await;
        let account = store.account_of("alice").await;
        let held: Vec<_> = account.holds.iter().map(|hold| hold.request).collect();
        assert_eq!((account.check(), &held), (Ok(()), &open), "round {round}");
    }
}
