//! What a store keeps between batches, in memory: only what [`Changes`] says goes in, and only what a batch can ask for
//! comes out again.

use std::collections::BTreeMap;

use super::history::{PARTITION, START};
use crate::{
    Account, AccountId, Book, Changes, Command, ContraAccount, Currency, Digest, Entry, EntryStatus, HoldEnd, Kind,
    KnownKey, Outcome, Policy, Position, Timestamp, settle,
};

#[derive(Debug, PartialEq)]
pub(super) struct Storage {
    clock: Timestamp,
    pub(super) accounts: BTreeMap<AccountId, Account>,
    pub(super) entries: BTreeMap<AccountId, Vec<Entry>>,
    pub(super) page_heads: BTreeMap<AccountId, Vec<Digest>>,
    pub(super) contra: BTreeMap<Currency, ContraAccount>,
    keys: BTreeMap<(AccountId, String), KnownKey>,
}

impl Storage {
    pub(super) fn new(given: impl IntoIterator<Item = Account>) -> Self {
        Self {
            clock: START,
            accounts: given.into_iter().map(|account| (account.id.clone(), account)).collect(),
            entries: BTreeMap::new(),
            page_heads: BTreeMap::new(),
            contra: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    pub(super) fn settle(&mut self, batch: &[Command]) -> Vec<Outcome> {
        let mut book = self.read(batch);
        let outcomes = settle(&mut book, batch.iter().cloned());
        self.clock = book.clock();
        self.write(book.into_changes());
        outcomes
    }

    fn read(&self, batch: &[Command]) -> Book {
        let mut book = Book::new(Policy::default(), PARTITION, self.clock, START);
        self.contra.values().for_each(|contra| book.add_contra(contra.clone()));
        for command in batch {
            if let Some(account) = self.accounts.get(&command.account) {
                book.add_account(account.clone());
            }
            if let Some(idempotency) = &command.idempotency {
                let place = (command.account.clone(), idempotency.key.as_str().to_owned());
                if let Some(known) = self.keys.get(&place) {
                    book.add_key(place.0, idempotency.key.clone(), *known);
                }
            }
            if let Some((request, end)) = self.ended_hold(command) {
                book.add_ended_hold(command.account.clone(), request, end);
            }
        }
        book
    }

    /// How the hold ended that the command is about, by the entries of its account.
    fn ended_hold(&self, command: &Command) -> Option<(Position, HoldEnd)> {
        let request = command.action.request()?;
        let account = self.accounts.get(&command.account)?;
        if account.has_open_hold(request) {
            return None;
        }
        let posted = self.entries.get(&command.account)?.iter().filter(|entry| entry.status == EntryStatus::Posted);
        let at = posted.clone().find(|entry| entry.position == request)?.expires_at?;
        let ending = posted.clone().find(|entry| entry.request == Some(request) && entry.remaining == Some(0));
        let end = match ending {
            None => HoldEnd::Expired { at },
            Some(entry) if entry.kind == Kind::Release => HoldEnd::Released { by: entry.position },
            Some(entry) => HoldEnd::Captured { by: entry.position },
        };
        Some((request, end))
    }

    fn write(&mut self, changes: Changes) {
        for change in changes.accounts {
            let id = change.account.id.clone();
            let entries = self.entries.entry(id.clone()).or_default();
            assert_eq!(change.sequence_before, entries.len() as u64);
            entries.extend(change.entries);
            self.page_heads.entry(id.clone()).or_default().extend(change.page_heads);
            let before = self.accounts.insert(id, change.account);
            assert_eq!(change.is_new, before.is_none());
        }
        self.contra.extend(changes.contra.into_iter().map(|contra| (contra.id.currency, contra)));
        for (account, key, known) in changes.keys {
            let before = self.keys.insert((account, key.as_str().to_owned()), known);
            assert_eq!(before, None, "a key is new once");
        }
    }
}
