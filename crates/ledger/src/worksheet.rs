//! What a batch works on: everything it touches, as it was read, and what settling changed of it.
//!
//! Whoever fills a worksheet says of every account, key, contra account and ended hold that the batch can ask for either
//! what it is or that it is not there. What the batch asks for and nobody has said is [`NotRead`], and ends the batch:
//! taking it for absent could open an account twice or make up money.

use std::collections::HashMap;

use crate::account::Account;
use crate::account_id::AccountId;
use crate::command::{Fingerprint, IdempotencyKey};
use crate::contra::{ContraAccount, ContraId};
use crate::entry::Entry;
use crate::hold::HoldEnd;
use crate::money::Currency;
use crate::page::{OpenPage, Page};
use crate::policy::Policy;
use crate::position::{Partition, Position};
use crate::sheet::Sheet;
use crate::timestamp::Timestamp;

/// A batch of one partition, with everything it touches.
#[derive(Debug)]
pub struct Worksheet {
    pub(crate) policy: Policy,
    pub(crate) partition: Partition,
    pub(crate) settled_at: Timestamp,
    /// The time of the last command settled; the next one's is never earlier.
    pub(crate) clock: Timestamp,
    /// Nothing where there is no such account.
    accounts: HashMap<AccountId, Option<Sheet>>,
    contra: HashMap<Currency, Contra>,
    keys: HashMap<(AccountId, IdempotencyKey), Key>,
    ended_holds: HashMap<(AccountId, Position), Option<HoldEnd>>,
}

/// An idempotency key that has been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownKey {
    pub fingerprint: Fingerprint,
    /// The command that first carried it.
    pub position: Position,
    /// That command's own time, from which on the key is remembered for [`Policy::key_lifetime`].
    pub recorded_at: Timestamp,
}

#[derive(Debug)]
struct Contra {
    account: ContraAccount,
    found_at: u64,
}

#[derive(Debug)]
struct Key {
    found: Option<KnownKey>,
    /// What it stands for since a command of the batch took it.
    taken: Option<KnownKey>,
}

/// A command asked for what nobody has read. A fault of whoever filled the worksheet; nothing of the batch may be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    #[error("the account {0} was not read before its commands were settled")]
    Account(AccountId),
    #[error("the open page of {0} was not read before it was turned")]
    OpenPage(AccountId),
    #[error("the contra account {0} was not read before it was posted to")]
    Contra(ContraId),
    #[error("an idempotency key of {0} was not read before a command with it was settled")]
    Key(AccountId),
    #[error("how the hold {request} of {account} ended was not read before a command asked for it")]
    EndedHold { account: AccountId, request: Position },
}

/// What settling a batch changed.
#[derive(Debug, Clone)]
pub struct Changes {
    /// The accounts with new entries, in the order of their ids.
    pub accounts: Vec<AccountChange>,
    pub contra: Vec<ContraAccount>,
    /// The keys that stand for another command than before, in no order.
    pub keys: Vec<KeyChange>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    pub account: AccountId,
    pub key: IdempotencyKey,
    pub known: KnownKey,
    /// Whether it stood for a command whose time is over.
    pub replaces: bool,
}

/// An account before and after a batch; what is to be written is the difference.
#[derive(Debug, Clone)]
pub struct AccountChange {
    /// Nothing where the batch opened the account.
    pub before: Option<Account>,
    pub after: Account,
    /// The pages that turned, in order.
    pub turned: Vec<Page>,
    pub open_page: OpenPage,
}

impl Worksheet {
    /// An empty worksheet for a batch of `partition`. `clock` is the time of the partition's last settled command, and
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
            ended_holds: HashMap::new(),
        }
    }

    /// An account as it was read. `open_page` has the entries of its open page, which are needed where it turns.
    pub fn add_account(&mut self, account: Account, open_page: Option<Vec<Entry>>) {
        self.accounts.insert(account.id.clone(), Some(Sheet::of(account, open_page)));
    }

    /// There is no account by this id. One that has been added stays.
    pub fn add_absent_account(&mut self, id: AccountId) {
        self.accounts.entry(id).or_insert(None);
    }

    /// A contra account as it was read; one that is not there yet is [`ContraAccount::open`].
    pub fn add_contra(&mut self, account: ContraAccount) {
        let found_at = account.postings;
        self.contra.insert(account.id.currency, Contra { account, found_at });
    }

    /// An idempotency key, with what it stands for, if anything.
    pub fn add_key(&mut self, account: AccountId, key: IdempotencyKey, known: Option<KnownKey>) {
        self.keys.insert((account, key), Key { found: known, taken: None });
    }

    /// How a hold ended that is not among its account's open ones; nothing where there never was one.
    pub fn add_ended_hold(&mut self, account: AccountId, request: Position, end: Option<HoldEnd>) {
        self.ended_holds.insert((account, request), end);
    }

    /// The time of the last command settled.
    pub fn clock(&self) -> Timestamp {
        self.clock
    }

    pub(crate) fn account(&mut self, id: &AccountId) -> Result<Option<&mut Sheet>, NotRead> {
        match self.accounts.get_mut(id) {
            Some(sheet) => Ok(sheet.as_mut()),
            None => Err(NotRead::Account(id.clone())),
        }
    }

    pub(crate) fn open_account(&mut self, id: &AccountId, currency: Currency) {
        self.accounts.insert(id.clone(), Some(Sheet::opened(id.clone(), currency)));
    }

    /// The other side of a change of an account's balance.
    pub(crate) fn post_against(&mut self, currency: Currency, change: i64) -> Result<(), NotRead> {
        let id = ContraId { currency, partition: self.partition };
        let contra = self.contra.get_mut(&currency).ok_or(NotRead::Contra(id))?;
        contra.account.post_against(change);
        Ok(())
    }

    /// What a key stands for at this moment; one whose time is over stands for nothing.
    pub(crate) fn known_key(&self, account: &AccountId, key: &IdempotencyKey) -> Result<Option<KnownKey>, NotRead> {
        let place = (account.clone(), key.clone());
        let key = self.keys.get(&place).ok_or(NotRead::Key(place.0))?;
        Ok(key.taken.or(key.found).filter(|known| self.clock < known.recorded_at.plus(self.policy.key_lifetime)))
    }

    pub(crate) fn remember_key(&mut self, account: AccountId, key: IdempotencyKey, known: KnownKey) {
        let place = (account, key);
        let found = self.keys.get(&place).and_then(|key| key.found);
        self.keys.insert(place, Key { found, taken: Some(known) });
    }

    pub(crate) fn ended_hold(&self, account: &AccountId, request: Position) -> Result<Option<HoldEnd>, NotRead> {
        let place = (account.clone(), request);
        self.ended_holds.get(&place).copied().ok_or(NotRead::EndedHold { account: place.0, request })
    }

    pub(crate) fn end_hold(&mut self, account: &AccountId, request: Position, end: HoldEnd) {
        self.ended_holds.insert((account.clone(), request), Some(end));
    }

    /// What changed. Accounts that were only read are left out.
    pub fn into_changes(self) -> Changes {
        let sheets = self.accounts.into_values().flatten().filter(Sheet::has_changed);
        let mut accounts: Vec<_> = sheets.map(Sheet::into_change).collect();
        accounts.sort_unstable_by(|a, b| a.after.id.cmp(&b.after.id));
        let has_changed = |contra: &Contra| contra.account.postings > contra.found_at;
        let mut contra: Vec<_> = self.contra.into_values().filter(has_changed).map(|contra| contra.account).collect();
        contra.sort_unstable_by_key(|contra| contra.id);
        let changed = |((account, key), known): ((AccountId, IdempotencyKey), Key)| {
            Some(KeyChange { account, key, known: known.taken?, replaces: known.found.is_some() })
        };
        Changes { accounts, contra, keys: self.keys.into_iter().filter_map(changed).collect() }
    }
}
