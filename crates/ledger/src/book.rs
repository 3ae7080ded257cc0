use std::collections::HashMap;

use crate::account::{Account, ContraAccount, ContraId};
use crate::account_id::AccountId;
use crate::command::{Fingerprint, IdempotencyKey};
use crate::entry::{Digest, Entry};
use crate::hold::HoldEnd;
use crate::money::Currency;
use crate::page::PAGE_CAPACITY;
use crate::position::{Partition, Position};
use crate::timestamp::Timestamp;

/// What an operator decides.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Whether a deposit to an unknown account opens it; otherwise it is refused.
    pub first_deposit_opens_account: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { first_deposit_opens_account: true }
    }
}

/// Everything that a batch of one partition touches, as it was read, and what settling changed of it.
///
/// Whoever fills it must add every account, key, contra account and ended hold that the batch can ask for: what is not
/// here does not exist.
#[derive(Debug)]
pub struct Book {
    pub(crate) policy: Policy,
    pub(crate) partition: Partition,
    pub(crate) settled_at: Timestamp,
    /// The time of the last command settled; the next one's is never earlier.
    pub(crate) clock: Timestamp,
    pub(crate) accounts: HashMap<AccountId, OpenBook>,
    pub(crate) contra: HashMap<Currency, OpenContra>,
    keys: HashMap<(AccountId, IdempotencyKey), KnownKey>,
    new_keys: Vec<(AccountId, IdempotencyKey)>,
    ended_holds: HashMap<(AccountId, Position), HoldEnd>,
}

/// An idempotency key that has been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownKey {
    pub fingerprint: Fingerprint,
    /// The command that first carried it.
    pub position: Position,
}

#[derive(Debug)]
pub(crate) struct OpenBook {
    pub(crate) account: Account,
    /// The sequence number before the batch; nothing where the batch opened the account.
    found_at: Option<u64>,
    entries: Vec<Entry>,
    page_heads: Vec<Digest>,
}

#[derive(Debug)]
pub(crate) struct OpenContra {
    pub(crate) account: ContraAccount,
    found_at: u64,
}

/// What settling a batch changed.
#[derive(Debug)]
pub struct Changes {
    /// The accounts with new entries, in the order of their ids.
    pub accounts: Vec<AccountChange>,
    pub contra: Vec<ContraAccount>,
    pub keys: Vec<(AccountId, IdempotencyKey, KnownKey)>,
}

/// An account after a batch, with the entries that the batch added.
#[derive(Debug)]
pub struct AccountChange {
    pub account: Account,
    /// Whether the batch opened the account.
    pub is_new: bool,
    /// The account's sequence before the batch.
    pub sequence_before: u64,
    /// The new entries; never empty.
    pub entries: Vec<Entry>,
    /// The digest of the last entry of each page that the new entries filled, in order.
    pub page_heads: Vec<Digest>,
}

impl Book {
    /// An empty book for a batch of `partition`. `clock` is the time of the partition's last settled command, and
    /// `settled_at` goes into every new entry.
    pub fn new(policy: Policy, partition: Partition, clock: Timestamp, settled_at: Timestamp) -> Self {
        Self {
            policy,
            partition,
            settled_at,
            clock,
            accounts: HashMap::new(),
            contra: HashMap::new(),
            keys: HashMap::new(),
            new_keys: Vec::new(),
            ended_holds: HashMap::new(),
        }
    }

    pub fn add_account(&mut self, account: Account) {
        let found_at = Some(account.sequence);
        self.accounts
            .insert(account.id.clone(), OpenBook { account, found_at, entries: Vec::new(), page_heads: Vec::new() });
    }

    pub fn add_contra(&mut self, account: ContraAccount) {
        let found_at = account.postings;
        self.contra.insert(account.id.currency, OpenContra { account, found_at });
    }

    pub fn add_key(&mut self, account: AccountId, key: IdempotencyKey, known: KnownKey) {
        self.keys.insert((account, key), known);
    }

    /// Tells how a hold ended that is no longer among its account's open ones.
    pub fn add_ended_hold(&mut self, account: AccountId, request: Position, end: HoldEnd) {
        self.ended_holds.insert((account, request), end);
    }

    /// The time of the last command settled.
    pub fn clock(&self) -> Timestamp {
        self.clock
    }

    pub(crate) fn known_key(&self, account: &AccountId, key: &IdempotencyKey) -> Option<KnownKey> {
        self.keys.get(&(account.clone(), key.clone())).copied()
    }

    pub(crate) fn remember_key(&mut self, account: AccountId, key: IdempotencyKey, known: KnownKey) {
        self.new_keys.push((account.clone(), key.clone()));
        self.keys.insert((account, key), known);
    }

    pub(crate) fn ended_hold(&self, account: &AccountId, request: Position) -> Option<HoldEnd> {
        self.ended_holds.get(&(account.clone(), request)).copied()
    }

    pub(crate) fn open_account(&mut self, id: AccountId, currency: Currency) {
        let account = Account::open(id.clone(), currency);
        self.accounts.insert(id, OpenBook { account, found_at: None, entries: Vec::new(), page_heads: Vec::new() });
    }

    /// What changed. Accounts that were only read are left out.
    pub fn into_changes(self) -> Changes {
        let mut accounts: Vec<_> =
            self.accounts.into_values().filter(|book| !book.entries.is_empty()).map(AccountChange::from).collect();
        accounts.sort_unstable_by(|a, b| a.account.id.cmp(&b.account.id));
        let mut contra: Vec<_> = self
            .contra
            .into_values()
            .filter(|contra| contra.account.postings > contra.found_at)
            .map(|contra| contra.account)
            .collect();
        contra.sort_unstable_by_key(|contra| contra.id);
        let known = |(account, key): (AccountId, IdempotencyKey)| {
            let place = (account, key);
            let known = self.keys.get(&place).copied()?;
            Some((place.0, place.1, known))
        };
        Changes { accounts, contra, keys: self.new_keys.into_iter().filter_map(known).collect() }
    }
}

impl OpenBook {
    /// Writes the next line. `entry.sequence` is the account's own already.
    pub(crate) fn write(&mut self, entry: Entry) {
        self.account.head = entry.digest(&self.account.head);
        if entry.sequence.is_multiple_of(PAGE_CAPACITY) {
            self.page_heads.push(self.account.head);
        }
        self.entries.push(entry);
    }
}

impl OpenContra {
    pub(crate) const fn open(id: ContraId) -> Self {
        Self { account: ContraAccount::open(id), found_at: 0 }
    }
}

impl From<OpenBook> for AccountChange {
    fn from(book: OpenBook) -> Self {
        Self {
            is_new: book.found_at.is_none(),
            sequence_before: book.found_at.unwrap_or(0),
            account: book.account,
            entries: book.entries,
            page_heads: book.page_heads,
        }
    }
}
