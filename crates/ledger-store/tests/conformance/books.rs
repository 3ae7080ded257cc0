//! What settling leaves in the books.

use ledger::Refusal;
use ledger_store::{Applied, Lookup, MemoryStore, Transaction, WantedAccounts};

use crate::harness::{Books, OnMongo, SETTLED_AT, is_posted, on_both_stores, original, outcome, refusal};
use crate::log::{Log, START, batch, command, letter, position, unread, with_key};

on_both_stores!(
    a_first_deposit_opens_the_account,
    an_account_that_is_not_there_is_refused_and_its_outcome_kept,
    an_unreadable_record_is_set_aside,
    an_unreadable_record_may_be_the_first,
    a_record_keeps_the_outcome_of_the_version_that_first_read_it,
    a_key_seen_before_is_replayed_or_refused,
    an_account_of_several_currencies_is_refused,
    a_contra_account_takes_more_than_64_bits,
    a_key_is_forgotten_by_the_time_of_the_commands,
    a_key_that_was_forgotten_stands_for_its_next_command,
    amounts_from_before_there_was_a_largest_stay_readable,
);

async fn a_first_deposit_opens_the_account(store: impl Books) {
    let mut log = Log::of(0);
    let records = [log.deposit("alice", 2_500), log.withdrawal("alice", 700), log.withdrawal("alice", 5_000)];
    let outcomes = store.settle(&records).await;
    assert!(is_posted(&outcomes[0]));
    assert!(is_posted(&outcomes[1]));
    assert_eq!(refusal(&outcomes[2]), Refusal::InsufficientFunds { available: 1_800 });
    let view = store.account(&"alice".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((view.account.balance, view.account.sequence, view.updated_at), (1_800, 3, SETTLED_AT));
    let mut statement = store.whole_statement("alice").await;
    statement.reverse();
    assert_eq!(statement, outcomes.iter().map(|applied| outcome(applied).clone()).collect::<Vec<_>>());
}

async fn an_account_that_is_not_there_is_refused_and_its_outcome_kept(store: impl Books) {
    let mut log = Log::of(0);
    let record = log.withdrawal("nobody", 1);
    let outcomes = store.settle(std::slice::from_ref(&record)).await;
    assert_eq!(refusal(&outcomes[0]), Refusal::AccountNotFound);
    assert_eq!(store.account(&"nobody".parse().unwrap()).await.unwrap(), None);
    assert_eq!(store.statement(&"nobody".parse().unwrap(), None, 10).await.unwrap(), None);
    let found = store.transaction(&command(&record).id()).await.unwrap();
    assert_eq!(found, Lookup::Settled(outcome(&outcomes[0]).clone()));
    let again = store.settle(&[record]).await;
    assert_eq!(outcome(&again[0]), outcome(&outcomes[0]));
}

async fn an_unreadable_record_is_set_aside(store: impl Books) {
    let mut log = Log::of(0);
    let records = [log.deposit("alice", 1), log.unreadable("alice"), log.deposit("alice", 1)];
    let outcomes = store.settle(&records).await;
    assert_eq!(store.account_of("alice").await.balance, 2);
    let letter = letter(&records[1], None, "offset 1 is not UTF-8");
    assert_eq!(outcomes[1].applied, Applied::Unreadable(letter.clone()));
    assert_eq!(outcomes[1].position.offset(), 1);
    let id = ledger::TransactionId { account: "alice".parse().unwrap(), position: outcomes[1].position };
    let found = store.transaction(&id).await.unwrap();
    assert_eq!(found, Lookup::Unreadable { why: letter.why.clone(), recorded_at: letter.recorded_at });
    let of_nobody = ledger::TransactionId { account: "bob".parse().unwrap(), ..id };
    assert_eq!(store.transaction(&of_nobody).await.unwrap(), Lookup::NotFound, "nobody was told this id");
    assert_eq!(store.settle(&records[1..2]).await[0].applied, outcomes[1].applied);
}

async fn an_unreadable_record_may_be_the_first(store: impl Books) {
    let mut log = Log { generation: 4, ..Log::of(0) };
    let records = [log.unreadable(""), log.deposit("alice", 1)];
    let outcomes = store.settle(&records).await;
    assert_eq!(outcomes[0].position.generation(), 4);
    let alone = Log::of(1).unreadable("");
    assert_eq!(store.try_settle(batch(1, &[alone])).await.unwrap()[0].position.generation(), 1);
}

async fn a_record_keeps_the_outcome_of_the_version_that_first_read_it(store: impl Books) {
    let read = [Log::of(0).deposit("alice", 1)];
    let first = store.settle(&read).await;
    assert_eq!(store.settle(&[unread(&read[0])]).await[0].applied, first[0].applied);
    let read = Log::of(1).deposit("alice", 1);
    let first = store.try_settle(batch(1, &[unread(&read)])).await.unwrap();
    assert_eq!(store.try_settle(batch(1, &[read])).await.unwrap()[0].applied, first[0].applied);
    assert_eq!(store.account_of("alice").await.balance, 1);
}

async fn a_key_seen_before_is_replayed_or_refused(store: impl Books) {
    let mut log = Log::of(0);
    let first = with_key(log.deposit("alice", 10), "k1", 1);
    let same = with_key(log.deposit("alice", 10), "k1", 1);
    let other_account = with_key(log.deposit("bob", 10), "k1", 1);
    let outcomes = store.settle(&[first.clone(), same, other_account]).await;
    let first = position(&first);
    assert_eq!(original(&outcomes[1]), first);
    assert!(is_posted(&outcomes[2]));
    let same = with_key(log.deposit("alice", 10), "k1", 1);
    let other_body = with_key(log.deposit("alice", 11), "k1", 2);
    let refused_first = with_key(log.withdrawal("alice", 99), "k2", 3);
    let outcomes = store.settle(&[same, other_body, refused_first.clone()]).await;
    assert_eq!(original(&outcomes[0]), first);
    assert_eq!(refusal(&outcomes[1]), Refusal::IdempotencyKeyReused { original: first });
    let again = with_key(log.withdrawal("alice", 99), "k2", 3);
    let outcomes = store.settle(&[again]).await;
    assert_eq!(original(&outcomes[0]), position(&refused_first));
    assert_eq!(store.account_of("alice").await.balance, 10);
}

/// More than a command can name today.
fn deposit_from_before(log: &mut Log, account: &str) -> ledger_store::LogRecord {
    let amount = ledger::Amount::from_books(i64::MAX).unwrap();
    log.push(account, ledger::Action::Deposit(ledger::Money { amount, ..crate::log::money(1) }))
}

async fn a_contra_account_takes_more_than_64_bits(store: impl Books) {
    let mut log = Log::of(0);
    for account in ["alice", "bob", "carol"] {
        let outcomes = store.settle(&[deposit_from_before(&mut log, account)]).await;
        assert!(is_posted(&outcomes[0]));
    }
    assert_eq!(store.account_of("carol").await.balance, i64::MAX);
}

const A_DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Not by MongoDB's sweeper nor by this machine's clock, which stands still here.
async fn a_key_is_forgotten_by_the_time_of_the_commands(store: impl Books) {
    let mut log = Log::of(0);
    let first = with_key(log.deposit("alice", 10), "k1", 1);
    store.settle(std::slice::from_ref(&first)).await;
    log.now = START + 30 * A_DAY_MS - 1;
    let within = with_key(log.deposit("alice", 10), "k1", 1);
    assert_eq!(original(&store.settle(&[within]).await[0]), position(&first));
    log.now = START + 30 * A_DAY_MS;
    let after = with_key(log.deposit("alice", 10), "k1", 1);
    assert!(is_posted(&store.settle(&[after]).await[0]));
    assert_eq!(store.account_of("alice").await.balance, 20);
}

async fn a_key_that_was_forgotten_stands_for_its_next_command(store: impl Books) {
    let mut log = Log::of(0);
    store.settle(&[with_key(log.deposit("alice", 10), "k1", 1)]).await;
    log.now = START + 30 * A_DAY_MS;
    let next = with_key(log.deposit("alice", 7), "k1", 2);
    assert!(is_posted(&store.settle(std::slice::from_ref(&next)).await[0]));
    for _delivery in 0..2 {
        let again = with_key(log.deposit("alice", 7), "k1", 2);
        assert_eq!(original(&store.settle(&[again]).await[0]), position(&next));
    }
}

async fn amounts_from_before_there_was_a_largest_stay_readable(store: impl Books) {
    let mut log = Log::of(0);
    let first = [deposit_from_before(&mut log, "alice")];
    let outcomes = store.settle(&first).await;
    assert_eq!(outcome(&outcomes[0]).entry.after.balance, i64::MAX);
    store.settle(&(0..20).map(|_| log.withdrawal("alice", 1)).collect::<Vec<_>>()).await;
    assert_eq!(store.whole_statement("alice").await.last(), Some(outcome(&outcomes[0])));
}

async fn an_account_of_several_currencies_is_refused(store: impl Books) {
    let mut log = Log::of(0);
    let dollars = ledger::Money { currency: "USD".parse().unwrap(), ..crate::log::money(5) };
    let records = [log.deposit("alice", 10), log.push("alice", ledger::Action::Deposit(dollars))];
    let outcomes = store.settle(&records).await;
    assert_eq!(refusal(&outcomes[1]), Refusal::CurrencyMismatch { account: "EUR".parse().unwrap() });
    let records = [log.push("dora", ledger::Action::Deposit(dollars)), log.withdrawal("dora", 1)];
    let outcomes = store.settle(&records).await;
    assert!(is_posted(&outcomes[0]));
    assert_eq!(store.account_of("dora").await.balance, 5);
}

/// However many accounts a batch names, a bounded part of them is held in memory.
async fn reading_accounts_stops_at_so_many_bytes(books: impl ledger_store::Books) {
    let wanted = WantedAccounts {
        accounts: ["alice", "bob"].map(|id| id.parse().unwrap()).to_vec(),
        ..WantedAccounts::default()
    };
    let mut transaction = books.begin().await.unwrap();
    let bytes = transaction.read_accounts(&wanted, usize::MAX).await.unwrap().bytes;
    assert!(bytes > 200, "{bytes}");
    assert_eq!(transaction.read_accounts(&wanted, bytes).await.unwrap().accounts.len(), 2);
    let error = transaction.read_accounts(&wanted, bytes - 1).await.unwrap_err();
    transaction.abort().await;
    assert!(error.retry_helps(), "{error}");
    let said = format!("the transaction is too large: 1 accounts come to more than {} bytes", bytes - 1);
    assert_eq!(error.to_string(), said);
}

async fn alice_and_bob(store: &impl Books) {
    let mut log = Log::of(0);
    store.settle(&[log.deposit("alice", 1), log.deposit("bob", 1)]).await;
}

#[tokio::test]
async fn reading_accounts_in_memory_stops_at_so_many_bytes() {
    let store = MemoryStore::default();
    alice_and_bob(&store).await;
    reading_accounts_stops_at_so_many_bytes(store.books().clone()).await;
}

#[tokio::test]
async fn reading_accounts_on_mongodb_stops_at_so_many_bytes() {
    let mongo = OnMongo::new().await;
    alice_and_bob(&mongo.store).await;
    reading_accounts_stops_at_so_many_bytes(mongo.store.books().clone()).await;
    mongo.end().await;
}
