//! Reads everything that portions can touch, each onto a worksheet of its own: its accounts, contra accounts, keys, and holds
//! that have ended. What it can, it reads for all of them at once.

use std::collections::{HashMap, HashSet};

use ledger::{
    Account, AccountId, Command, ContraAccount, ContraId, Entry, IdempotencyKey, KnownKey, PAGE_CAPACITY, Partition,
    Position, Timestamp, Worksheet, turned_pages,
};

use super::attempt::Portion;
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

/// What the commands of one partition need.
struct Needs<'a> {
    partition: Partition,
    clock: Timestamp,
    commands: Vec<&'a Command>,
    wanted: HashMap<AccountId, Wanted>,
}

/// An account as it was read.
struct Found {
    account: Account,
    open_page: Option<Vec<Entry>>,
}

struct FoundByName {
    accounts: HashMap<AccountId, Found>,
    contra: Vec<ContraAccount>,
}

type Keys = HashMap<(AccountId, IdempotencyKey), Option<KnownKey>>;

impl<'a> Needs<'a> {
    fn of(portion: &Portion<'a>) -> Self {
        let commands = portion.decided.commands();
        let wanted = wanted_by_account(&commands);
        Self { partition: portion.share.partition(), clock: portion.continuation.clock, commands, wanted }
    }

    /// The contra accounts of all currencies that commands name: a command posts in no other.
    fn contra(&self) -> Vec<ContraId> {
        let named = self.commands.iter().filter_map(|command| command.action.money()).map(|money| money.currency);
        let currencies: HashSet<_> = named.collect();
        currencies.into_iter().map(|currency| ContraId { currency, partition: self.partition }).collect()
    }

    fn keys(&self) -> impl Iterator<Item = (AccountId, IdempotencyKey)> {
        let key = |command: &&Command| Some((command.account.clone(), command.idempotency.as_ref()?.key.clone()));
        self.commands.iter().filter_map(key)
    }

    fn add_keys(&self, worksheet: &mut Worksheet, found: &Keys) {
        for named in self.keys() {
            let known = found.get(&named).copied().flatten();
            let (account, key) = named;
            worksheet.add_key(account, key, known);
        }
    }
}

impl<B: Books> Store<B> {
    /// A worksheet for each portion.
    pub(super) async fn gather(
        &self,
        transaction: &mut B::Transaction,
        portions: &[Portion<'_>],
        settled_at: Timestamp,
    ) -> Result<Vec<Worksheet>, StoreError> {
        let needs: Vec<_> = portions.iter().map(Needs::of).collect();
        let accounts = self.read_accounts(transaction, &needs).await?;
        let keys = read_keys(transaction, &needs).await?;
        let mut worksheets = Vec::with_capacity(needs.len());
        let FoundByName { mut accounts, contra } = accounts;
        for need in needs {
            let mut worksheet = Worksheet::new(self.terms.policy, need.partition, need.clock, settled_at);
            add_contra(&mut worksheet, need.contra(), &contra);
            need.add_keys(&mut worksheet, &keys);
            read_ended_holds(transaction, &need, &accounts, &mut worksheet).await?;
            for id in need.wanted.into_keys() {
                match accounts.remove(&id) {
                    Some(Found { account, open_page }) => worksheet.add_account(account, open_page),
                    None => worksheet.add_absent_account(id),
                }
            }
            worksheets.push(worksheet);
        }
        Ok(worksheets)
    }

    /// All accounts at once, and the pages that are needed.
    async fn read_accounts(
        &self,
        transaction: &mut B::Transaction,
        needs: &[Needs<'_>],
    ) -> Result<FoundByName, StoreError> {
        let accounts: Vec<AccountId> = needs.iter().flat_map(|need| need.wanted.keys().cloned()).collect();
        let commands: usize = needs.iter().map(|need| need.commands.len()).sum();
        // Where most pages are about to turn, they come along with their accounts.
        let with_pages = commands as u64 >= accounts.len() as u64 * PAGE_CAPACITY / 2;
        let contra = needs.iter().flat_map(Needs::contra).collect();
        let found = transaction.read_accounts(&WantedAccounts { accounts, contra, with_pages }, MOST_READ).await?;
        if let [need] = needs {
            self.resize(need.partition, |size| size.learn(found.accounts.len(), found.bytes));
        }
        let mut found = FoundByName::of(found);
        if !with_pages {
            read_open_pages(transaction, needs, &mut found.accounts).await?;
        }
        Ok(found)
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

fn add_contra(worksheet: &mut Worksheet, wanted: Vec<ContraId>, found: &[ContraAccount]) {
    for id in wanted {
        let found = found.iter().find(|contra| contra.id == id).cloned();
        worksheet.add_contra(found.unwrap_or_else(|| ContraAccount::open(id)));
    }
}

impl FoundByName {
    fn of(found: FoundAccounts) -> Self {
        let by_id =
            |(account, open_page): (Account, Option<Vec<Entry>>)| (account.id.clone(), Found { account, open_page });
        Self { accounts: found.accounts.into_iter().map(by_id).collect(), contra: found.contra }
    }
}

/// The open pages of the accounts whose page turns or may know how a hold ended.
async fn read_open_pages(
    transaction: &mut impl Transaction,
    needs: &[Needs<'_>],
    found: &mut HashMap<AccountId, Found>,
) -> Result<(), StoreError> {
    let is_needed = |(id, wanted): &(&AccountId, &Wanted)| {
        found.get(*id).is_some_and(|found| {
            let sequence = found.account.sequence;
            wanted.requests.iter().any(|request| !found.account.has_open_hold(*request))
                || !turned_pages(sequence, sequence + wanted.commands).is_empty()
        })
    };
    let wanted = needs.iter().flat_map(|need| &need.wanted).filter(is_needed);
    let needed: Vec<_> = wanted.map(|(id, _)| id.clone()).collect();
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

/// What is known of each key that the commands carry.
async fn read_keys(transaction: &mut impl Transaction, needs: &[Needs<'_>]) -> Result<Keys, StoreError> {
    let mut keys: Keys = needs.iter().flat_map(Needs::keys).map(|key| (key, None)).collect();
    if !keys.is_empty() {
        let wanted: Vec<_> = keys.keys().cloned().collect();
        for (account, key, known) in transaction.read_keys(&wanted).await? {
            keys.insert((account, key), Some(known));
        }
    }
    Ok(keys)
}

/// How the holds ended that the prefix names and no account keeps open: the open pages know, or the turned ones do, or there
/// never was such a hold. One that the prefix itself places is open when it is asked for, or was ended in the prefix.
async fn read_ended_holds(
    transaction: &mut impl Transaction,
    Needs { commands, wanted, .. }: &Needs<'_>,
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
