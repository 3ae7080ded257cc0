//! Reads everything a prefix can touch onto a worksheet: its accounts, contra accounts, keys, and holds that have ended.

use std::collections::{HashMap, HashSet};

use ledger::{
    Account, AccountId, Command, ContraAccount, ContraId, Entry, IdempotencyKey, PAGE_CAPACITY, Partition, Position,
    Timestamp, Worksheet, turned_pages,
};

use super::task::Task;
use crate::books::{Books, FoundAccounts, Transaction, WantedAccounts};
use crate::error::StoreError;
use crate::hold_search::HoldSearch;
use crate::prefix::MOST_READ;
use crate::store::Store;

/// What one account's commands need beside the account.
#[derive(Default)]
struct Wanted {
    commands: u64,
    /// Requests that are captured or released.
    requests: Vec<Position>,
}

/// An account as it was read.
struct Found {
    account: Account,
    open_page: Option<Vec<Entry>>,
}

impl<B: Books> Store<B> {
    pub(super) async fn gather(
        &self,
        transaction: &mut B::Transaction,
        task: &Task,
        commands: &[&Command],
        clock: Timestamp,
    ) -> Result<Worksheet, StoreError> {
        let partition = task.batch.partition;
        let wanted = wanted_by_account(commands);
        let contra = contra_ids(partition, commands);
        // Where most pages are about to turn, they come along with their accounts.
        let with_pages = commands.len() as u64 >= wanted.len() as u64 * PAGE_CAPACITY / 2;
        let accounts = WantedAccounts { accounts: wanted.keys().cloned().collect(), contra, with_pages };
        let found = transaction.read_accounts(&accounts, MOST_READ).await?;
        self.resize(partition, |size| size.learn(found.accounts.len(), found.bytes));
        let mut worksheet = Worksheet::new(self.terms.policy, partition, clock, task.settled_at);
        add_contra(&mut worksheet, accounts.contra, &found.contra);
        let mut found = by_id(found);
        if !with_pages {
            read_open_pages(transaction, &wanted, &mut found).await?;
        }
        read_keys(transaction, commands, &mut worksheet).await?;
        read_ended_holds(transaction, commands, &wanted, &found, &mut worksheet).await?;
        for id in wanted.into_keys() {
            match found.remove(&id) {
                Some(Found { account, open_page }) => worksheet.add_account(account, open_page),
                None => worksheet.add_absent_account(id),
            }
        }
        Ok(worksheet)
    }
}

fn wanted_by_account(commands: &[&Command]) -> HashMap<AccountId, Wanted> {
    let mut wanted: HashMap<AccountId, Wanted> = HashMap::new();
    for command in commands {
        if !wanted.contains_key(&command.account) {
            wanted.insert(command.account.clone(), Wanted::default());
        }
        let Some(wanted) = wanted.get_mut(&command.account) else { continue };
        wanted.commands += 1;
        wanted.requests.extend(command.action.request());
    }
    wanted
}

/// The contra accounts of all currencies that commands name: a command posts in no other.
fn contra_ids(partition: Partition, commands: &[&Command]) -> Vec<ContraId> {
    let currencies: HashSet<_> =
        commands.iter().filter_map(|command| command.action.money()).map(|money| money.currency).collect();
    currencies.into_iter().map(|currency| ContraId { currency, partition }).collect()
}

fn add_contra(worksheet: &mut Worksheet, wanted: Vec<ContraId>, found: &[ContraAccount]) {
    for id in wanted {
        let found = found.iter().find(|contra| contra.id == id).cloned();
        worksheet.add_contra(found.unwrap_or_else(|| ContraAccount::open(id)));
    }
}

fn by_id(found: FoundAccounts) -> HashMap<AccountId, Found> {
    let by_id =
        |(account, open_page): (Account, Option<Vec<Entry>>)| (account.id.clone(), Found { account, open_page });
    found.accounts.into_iter().map(by_id).collect()
}

/// The open pages of the accounts whose page turns or may know how a hold ended.
async fn read_open_pages(
    transaction: &mut impl Transaction,
    wanted: &HashMap<AccountId, Wanted>,
    found: &mut HashMap<AccountId, Found>,
) -> Result<(), StoreError> {
    let is_needed = |found: &&Found| {
        wanted.get(&found.account.id).is_some_and(|wanted| {
            let sequence = found.account.sequence;
            wanted.requests.iter().any(|request| !found.account.has_open_hold(*request))
                || !turned_pages(sequence, sequence + wanted.commands).is_empty()
        })
    };
    let needed: Vec<_> = found.values().filter(is_needed).map(|found| found.account.id.clone()).collect();
    if needed.is_empty() {
        return Ok(());
    }
    for (id, entries) in transaction.read_open_pages(&needed).await? {
        if let Some(found) = found.get_mut(&id) {
            found.open_page = Some(entries);
        }
    }
    Ok(())
}

async fn read_keys(
    transaction: &mut impl Transaction,
    commands: &[&Command],
    worksheet: &mut Worksheet,
) -> Result<(), StoreError> {
    let key = |command: &&Command| Some((command.account.clone(), command.idempotency.as_ref()?.key.clone()));
    let wanted: HashSet<(AccountId, IdempotencyKey)> = commands.iter().filter_map(key).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let wanted: Vec<_> = wanted.into_iter().collect();
    let found = transaction.read_keys(&wanted).await?;
    for (account, key) in wanted {
        worksheet.add_key(account, key, None);
    }
    for (account, key, known) in found {
        worksheet.add_key(account, key, Some(known));
    }
    Ok(())
}

/// How the holds ended that the prefix names and no account keeps open: the open pages know, or the turned ones do, or there
/// never was such a hold. One that the prefix itself places is open when it is asked for, or was ended in the prefix.
async fn read_ended_holds(
    transaction: &mut impl Transaction,
    commands: &[&Command],
    wanted: &HashMap<AccountId, Wanted>,
    found: &HashMap<AccountId, Found>,
    worksheet: &mut Worksheet,
) -> Result<(), StoreError> {
    let mut search = HoldSearch::default();
    for (id, wanted) in wanted {
        let found = found.get(id);
        for request in
            wanted.requests.iter().filter(|request| found.is_none_or(|found| !found.account.has_open_hold(**request)))
        {
            // Where there is no account, or the request is of the prefix itself, there is nothing to look through.
            let can_have_ended = found.is_some() && is_older(*request, commands);
            search.add(id, *request, can_have_ended);
        }
        if let Some(entries) = found.and_then(|found| found.open_page.as_ref()) {
            search.look_through(id, entries);
        }
    }
    let missing = search.without_an_end();
    if !missing.is_empty() {
        for (account, entries) in transaction.read_ends_of_holds(&missing).await? {
            search.look_through(&account, &entries);
        }
    }
    search.tell(worksheet);
    Ok(())
}

/// Whether a request was made before the prefix. One of its own partition from its first position on was not: it is the
/// prefix's own, or there is none yet.
fn is_older(request: Position, commands: &[&Command]) -> bool {
    let stream = |position: Position| (position.generation(), position.partition());
    let first = commands.first().map(|command| command.position);
    first.is_some_and(|first| stream(request) != stream(first) || request.offset() < first.offset())
}
