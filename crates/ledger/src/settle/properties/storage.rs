//! What a store keeps between batches, in memory: only what [`Changes`] says goes in, and only what a batch can ask for
//! comes out again.

use std::collections::BTreeMap;

use super::history::{PARTITION, START};
use crate::{
    Account, AccountId, Changes, Command, ContraAccount, ContraId, Currency, Entry, HoldEnd, IdempotencyKey, KnownKey,
    OpenPage, Outcome, Page, Policy, Position, Timestamp, Worksheet, settle,
};

#[derive(Debug, PartialEq)]
pub(super) struct Storage {
    clock: Timestamp,
    pub(super) accounts: BTreeMap<AccountId, Account>,
    open_pages: BTreeMap<AccountId, Vec<Entry>>,
    pub(super) pages: BTreeMap<AccountId, Vec<Page>>,
    pub(super) contra: BTreeMap<Currency, ContraAccount>,
    keys: BTreeMap<(AccountId, String), KnownKey>,
}

impl Storage {
    pub(super) fn new(given: impl IntoIterator<Item = Account>) -> Self {
        Self {
            clock: START,
            accounts: given.into_iter().map(|account| (account.id.clone(), account)).collect(),
            open_pages: BTreeMap::new(),
            pages: BTreeMap::new(),
            contra: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    pub(super) fn settle(&mut self, batch: &[Command]) -> Vec<Outcome> {
        let mut worksheet = self.read(batch);
        let outcomes = settle(&mut worksheet, batch.iter().cloned()).unwrap();
        self.clock = worksheet.clock();
        self.write(worksheet.into_changes());
        outcomes
    }

    /// All entries of an account, the oldest first.
    pub(super) fn entries(&self, account: &AccountId) -> Vec<Entry> {
        let turned = self.pages.get(account).into_iter().flatten().flat_map(|page| &page.entries);
        turned.chain(self.open_pages.get(account).into_iter().flatten()).cloned().collect()
    }

    pub(super) fn all_entries(&self) -> impl Iterator<Item = (&AccountId, Vec<Entry>)> {
        self.accounts.keys().map(|account| (account, self.entries(account)))
    }

    fn read(&self, batch: &[Command]) -> Worksheet {
        let mut worksheet = Worksheet::new(Policy::default(), PARTITION, self.clock, START);
        for command in batch {
            self.read_for(command, &mut worksheet);
        }
        worksheet
    }

    fn read_for(&self, command: &Command, worksheet: &mut Worksheet) {
        let account = &command.account;
        match self.accounts.get(account) {
            Some(found) => {
                worksheet.add_account(found.clone(), Some(self.open_pages.get(account).cloned().unwrap_or_default()));
            }
            None => worksheet.add_absent_account(account.clone()),
        }
        if let Some(currency) = command.action.money().map(|money| money.currency) {
            let open = || ContraAccount::open(ContraId { currency, partition: PARTITION });
            worksheet.add_contra(self.contra.get(&currency).cloned().unwrap_or_else(open));
        }
        if let Some(idempotency) = &command.idempotency {
            let known = self.keys.get(&key_place(account, &idempotency.key)).copied();
            worksheet.add_key(account.clone(), idempotency.key.clone(), known);
        }
        if let Some(request) = command.action.request() {
            worksheet.add_ended_hold(account.clone(), request, self.ended_hold(account, request));
        }
    }

    /// How a hold ended, by the entries of its account.
    fn ended_hold(&self, account: &AccountId, request: Position) -> Option<HoldEnd> {
        let entries = self.entries(account);
        let mut ends = entries.iter().flat_map(Entry::ended_holds);
        ends.find(|(ended, _)| *ended == request).map(|(_, end)| end)
    }

    fn write(&mut self, changes: Changes) {
        for change in changes.accounts {
            let id = change.after.id.clone();
            assert_eq!(change.after.check(), Ok(()));
            assert_eq!(self.accounts.insert(id.clone(), change.after), change.before);
            self.pages.entry(id.clone()).or_default().extend(change.turned);
            let open = self.open_pages.entry(id).or_default();
            match change.open_page {
                OpenPage::Grown(entries) => open.extend(entries),
                OpenPage::Begun(entries) => *open = entries,
            }
        }
        self.contra.extend(changes.contra.into_iter().map(|contra| (contra.id.currency, contra)));
        for change in changes.keys {
            let found = self.keys.insert(key_place(&change.account, &change.key), change.known);
            assert_eq!(change.replaces, found.is_some());
        }
    }
}

fn key_place(account: &AccountId, key: &IdempotencyKey) -> (AccountId, String) {
    (account.clone(), key.as_str().to_owned())
}
