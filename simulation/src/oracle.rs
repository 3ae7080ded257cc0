//! What has to hold when all is settled, whatever has happened before.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{
    Account, AccountId, ContraAccount, ContraId, Outcome, Partition, Position, Timestamp, TransactionId, Worksheet,
    settle,
};
use ledger_store::{Lookup, Reading};
use serde_json::Value;

use crate::Wrong;
use crate::log::{ACCOUNTS, PARTITIONS, position};
use crate::world::{World, terms};

/// The books as one fold of the log makes them.
#[derive(Debug, Default)]
struct Fold {
    outcomes: BTreeMap<Position, Outcome>,
    accounts: BTreeMap<AccountId, Account>,
    contra: Vec<ContraAccount>,
}

/// All that the books say of the accounts.
pub(crate) type Picture = BTreeMap<AccountId, (Account, Vec<Outcome>)>;

/// The books as they are now, for comparing.
pub(crate) async fn picture(world: &World) -> Result<Picture, Wrong> {
    let store = world.store();
    let mut picture = BTreeMap::new();
    for id in ACCOUNTS.iter().filter_map(|id| id.parse::<AccountId>().ok()) {
        let account = store.account(&id).await.map_err(|error| error.to_string())?;
        let book = store.statement(&id, None, usize::MAX).await.map_err(|error| error.to_string())?;
        if let (Some(view), Some(book)) = (account, book) {
            picture.insert(id, (view.account, book));
        }
    }
    Ok(picture)
}

pub(crate) async fn check(world: &World) -> Result<(), Wrong> {
    let fold = fold(world)?;
    check_accepted(world, &fold).await?;
    check_books(world, &fold).await?;
    check_sums(&fold)?;
    check_published(world, &fold)
}

fn fold(world: &World) -> Result<Fold, Wrong> {
    let mut fold = Fold::default();
    for partition in 0..PARTITIONS {
        let commands = world.log.commands(partition);
        let beginning = Timestamp::from_epoch_ms(0);
        let mut worksheet = Worksheet::new(terms().policy, partition, beginning, beginning);
        for command in &commands {
            worksheet.add_absent_account(command.account.clone());
            if let Some(money) = command.action.money() {
                worksheet.add_contra(ContraAccount::open(ContraId { currency: money.currency, partition }));
            }
            if let Some(idempotency) = &command.idempotency {
                worksheet.add_key(command.account.clone(), idempotency.key.clone(), None);
            }
            if let Some(request) = command.action.request() {
                worksheet.add_ended_hold(command.account.clone(), request, None);
            }
        }
        let outcomes = settle(&mut worksheet, commands).map_err(|error| error.to_string())?;
        fold.outcomes.extend(outcomes.into_iter().map(|outcome| (outcome.entry.position, outcome)));
        let changes = worksheet.into_changes();
        fold.accounts.extend(changes.accounts.into_iter().map(|change| (change.after.id.clone(), change.after)));
        fold.contra.extend(changes.contra);
    }
    Ok(fold)
}

/// Every accepted command has an outcome, and it is that of the fold.
async fn check_accepted(world: &World, fold: &Fold) -> Result<(), Wrong> {
    for id in &world.log.accepted {
        let found = world.store().transaction(id).await.map_err(|error| error.to_string())?;
        let Lookup::Settled(outcome) = found else { return Err(format!("{id} was accepted, and is {found:?}")) };
        let expected = fold.outcomes.get(&id.position).ok_or_else(|| format!("{id} is not in the fold"))?;
        if !is_same(&outcome, expected) {
            return Err(format!("{id} became {outcome:?}, and in one fold {expected:?}"));
        }
    }
    Ok(())
}

/// But for the moment of settling, which is the settler's own.
fn is_same(found: &Outcome, expected: &Outcome) -> bool {
    let mut expected = expected.clone();
    expected.entry.settled_at = found.entry.settled_at;
    *found == expected
}

/// Every account is as the fold leaves it, down to the digest of its last entry.
async fn check_books(world: &World, fold: &Fold) -> Result<(), Wrong> {
    for (id, expected) in &fold.accounts {
        let found = world.store().account(id).await.map_err(|error| error.to_string())?;
        let found = found.map(|view| view.account);
        if found.as_ref() != Some(expected) {
            return Err(format!("{id} is {found:?}, and in one fold {expected:?}"));
        }
    }
    let mut contra = fold.contra.clone();
    contra.sort_unstable_by_key(|contra| contra.id);
    let found = world.store().contra_accounts();
    if found != contra {
        return Err(format!("the contra accounts are {found:?}, and in one fold {contra:?}"));
    }
    for fence in world.store().fences() {
        let records = world.log.streams[usize::from(fence.partition)].records(0).count() as u64;
        if fence.applied() != records {
            let (partition, applied) = (fence.partition, fence.applied());
            return Err(format!("partition {partition}: {applied} records are counted as applied, not {records}"));
        }
    }
    Ok(())
}

fn check_sums(fold: &Fold) -> Result<(), Wrong> {
    let mut sums: BTreeMap<_, i128> = BTreeMap::new();
    for account in fold.accounts.values() {
        *sums.entry(account.currency).or_default() += i128::from(account.balance);
    }
    for contra in &fold.contra {
        *sums.entry(contra.id.currency).or_default() += contra.balance;
    }
    let wrong = sums.iter().find(|(_, sum)| **sum != 0);
    wrong.map_or(Ok(()), |(currency, sum)| Err(format!("debits and credits in {currency} differ by {sum}")))
}

/// Every outcome is published, and each time the same.
fn check_published(world: &World, fold: &Fold) -> Result<(), Wrong> {
    let mut published: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for value in world.outcomes.published() {
        let body: Value = serde_json::from_slice(&value).map_err(|error| error.to_string())?;
        let name = body["id"].as_str().or_else(|| body["position"].as_str()).unwrap_or_default().to_owned();
        published.entry(name).or_default().insert(value);
    }
    for (id, values) in &published {
        if values.len() != 1 {
            return Err(format!("{id} was published with {} different outcomes", values.len()));
        }
    }
    let unpublished = fold.outcomes.values().map(Outcome::id).find(|id| !published.contains_key(&id.to_string()));
    match unpublished.or_else(|| unpublished_letter(world, &published)) {
        Some(id) => Err(format!("the outcome of {id} was never published")),
        None => Ok(()),
    }
}

/// A record that nobody can read, and whose outcome nobody was told.
fn unpublished_letter(world: &World, published: &BTreeMap<String, BTreeSet<Vec<u8>>>) -> Option<TransactionId> {
    let letters = |partition: Partition| {
        let commands: BTreeSet<Position> =
            world.log.commands(partition).into_iter().map(|command| command.position).collect();
        let records = world.log.read(partition, 0, usize::MAX).into_iter();
        let positions = records.map(move |(offset, record)| (position(partition, offset), record));
        positions.filter(move |(position, _)| !commands.contains(position)).collect::<Vec<_>>()
    };
    let letters = (0..PARTITIONS).flat_map(letters);
    let ids = letters.filter_map(|(position, record)| Some(TransactionId { account: record.account()?, position }));
    ids.into_iter().find(|id| !published.contains_key(&id.to_string()))
}
