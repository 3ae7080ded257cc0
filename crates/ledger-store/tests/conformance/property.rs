//! However the log is cut into batches, and however often parts of it come again, the books are those of one fold.

use ledger::{Action, ContraAccount, ContraId, Outcome, Policy, Standing, Timestamp, Worksheet, settle};
use ledger_store::{LogRecord, MemoryStore};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::harness::{Books, OnMongo, SETTLED_AT, outcome};
use crate::log::{Log, command, money, position, with_key};

const ACCOUNTS: [&str; 3] = ["alice", "bob", "carol"];

/// A command to be written: kind, account, amount, an earlier record to refer to, a key.
type Draft = (u8, usize, i64, usize, Option<u8>);

fn write_log(drafts: &[Draft]) -> Vec<LogRecord> {
    let mut log = Log::of(0);
    let mut records: Vec<LogRecord> = Vec::new();
    for (kind, account, amount, earlier, key) in drafts {
        let account = ACCOUNTS[*account];
        let request = records.get(earlier % records.len().max(1)).map(position);
        let action = match (kind, request) {
            (0..3, _) | (_, None) => Action::Deposit(money(*amount)),
            (3, _) => Action::Withdrawal(money(*amount)),
            (4..6, _) => Action::WithdrawalRequest { money: money(*amount), expires_in_seconds: 20 },
            (6, Some(request)) => Action::Release { request },
            (_, Some(request)) => Action::Capture { request, money: money(1), is_final: amount % 2 == 0 },
        };
        let record = log.push(account, action);
        records.push(match key {
            Some(key) => with_key(record, &format!("key {key}"), *kind),
            None => record,
        });
    }
    records
}

fn fold(records: &[LogRecord]) -> (Vec<Outcome>, Vec<ledger::Account>) {
    let mut worksheet = Worksheet::new(Policy::default(), 0, Timestamp::from_epoch_ms(0), SETTLED_AT);
    worksheet.add_contra(ContraAccount::open(ContraId { currency: "EUR".parse().unwrap(), partition: 0 }));
    for command in records.iter().map(command) {
        worksheet.add_absent_account(command.account.clone());
        if let Some(idempotency) = &command.idempotency {
            worksheet.add_key(command.account.clone(), idempotency.key.clone(), None);
        }
        if let Some(request) = command.action.request() {
            worksheet.add_ended_hold(command.account.clone(), request, None);
        }
    }
    let outcomes = settle(&mut worksheet, records.iter().map(command).cloned()).unwrap();
    let accounts = worksheet.into_changes().accounts.into_iter().map(|change| change.after).collect();
    (outcomes, accounts)
}

/// Applies the log in batches of these sizes, each beginning so many records before where the last one ended.
async fn apply_in_parts(store: &impl Books, records: &[LogRecord], cuts: &[(usize, usize)]) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut cuts = cuts.iter().cycle();
    while outcomes.len() < records.len() {
        let (size, back) = cuts.next().copied().unwrap_or((1, 0));
        let start = outcomes.len().saturating_sub(back);
        let end = (outcomes.len() + size).min(records.len());
        let applied = store.settle(&records[start..end]).await;
        for (applied, known) in applied.iter().zip(outcomes[start..].to_vec()) {
            assert!(applied.redelivered);
            assert_eq!(outcome(applied), &known);
        }
        let new = applied.into_iter().skip(outcomes.len() - start);
        outcomes.extend(new.map(|applied| outcome(&applied).clone()));
    }
    outcomes
}

async fn check_same(store: &impl Books, records: &[LogRecord], cuts: &[(usize, usize)]) {
    let (expected, accounts) = fold(records);
    assert_eq!(apply_in_parts(store, records, cuts).await, expected);
    for account in accounts {
        let id = account.id.clone();
        assert_eq!(store.account_of(id.as_str()).await, account);
        let booked = expected.iter().rev().filter(|outcome| outcome.account == id && outcome.is_booked());
        assert_eq!(store.whole_statement(id.as_str()).await, booked.cloned().collect::<Vec<_>>());
    }
    assert!(expected.iter().any(|outcome| outcome.entry.line.standing() == Standing::Posted));
}

fn logs() -> impl Strategy<Value = (Vec<Draft>, Vec<(usize, usize)>)> {
    let draft = (0u8..9, 0..ACCOUNTS.len(), 1i64..50, any::<usize>(), proptest::option::weighted(0.2, 0u8..6));
    (proptest::collection::vec(draft, 1..250), proptest::collection::vec((1usize..60, 0usize..80), 1..6))
}

fn run(cases: u32, check: impl Fn(Vec<LogRecord>, Vec<(usize, usize)>)) {
    let config = Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&logs(), |(drafts, cuts)| {
            check(write_log(&drafts), cuts);
            Ok(())
        })
        .unwrap();
}

fn block_on(future: impl Future) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

#[test]
fn any_batches_make_the_books_of_one_fold_in_memory() {
    run(100, |records, cuts| block_on(async { check_same(&MemoryStore::default(), &records, &cuts).await }));
}

#[test]
fn any_batches_make_the_books_of_one_fold_on_mongodb() {
    run(12, |records, cuts| {
        block_on(async {
            let mongo = OnMongo::new().await;
            check_same(&mongo.store, &records, &cuts).await;
            mongo.end().await;
        });
    });
}
