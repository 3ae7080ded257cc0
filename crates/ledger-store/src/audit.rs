//! Whether the books are right: an account's chain of entries, followed page by page, and the sums over all accounts.
//!
//! Pure: whoever reads the accounts and pages, in the order of account ids, feeds them in. What is kept is one sum a
//! currency and one link of one chain.

use std::collections::BTreeMap;

use ledger::{Account, AccountId, ContraAccount, Currency, Digest, Entry, PAGE_CAPACITY, page_number};

/// What a check has looked at, and the first difference it found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    pub accounts: u64,
    pub entries: u64,
    /// Nothing: the books are right.
    pub difference: Option<Difference>,
}

/// Where the books are wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    #[error("debits and credits in {currency} differ by {by}")]
    Unbalanced { currency: Currency, by: i128 },
    #[error("{account} holds {held}, while its open holds come to {holds}")]
    Held { account: AccountId, held: i64, holds: i128 },
    #[error("{account} has a balance of {balance}, while its last entry leaves {entry}")]
    Balance { account: AccountId, balance: i64, entry: i64 },
    #[error("{account} holds {held}, while its last entry leaves {entry}")]
    LastHeld { account: AccountId, held: i64, entry: i64 },
    #[error("{account} has {available} available, while its last entry leaves {entry}")]
    Available { account: AccountId, available: i128, entry: i64 },
    #[error("{account} has {sequence} entries, while its open page ends with entry {entry}")]
    Sequence { account: AccountId, sequence: u64, entry: u64 },
    #[error("entry {sequence} of {account} leaves {found}, while the entries before it make that {expected}")]
    Fold { account: AccountId, sequence: u64, found: i64, expected: i128 },
    #[error("entry {sequence} of {account} leaves {available} available")]
    Overdrawn { account: AccountId, sequence: u64, available: i64 },
    #[error("entry {found} of {account} stands where entry {expected} belongs")]
    EntryOutOfPlace { account: AccountId, expected: u64, found: u64 },
    #[error("page {found} of {account} stands where page {expected} belongs")]
    PageOutOfPlace { account: AccountId, expected: u64, found: u64 },
    #[error("page {page} of {account} is missing")]
    PageMissing { account: AccountId, page: u64 },
    #[error("page {page} of {account} has {entries} entries")]
    PageLength { account: AccountId, page: u64, entries: usize },
    #[error("the digests of page {page} of {account} do not make its head: an entry has been changed")]
    Chain { account: AccountId, page: u64 },
    #[error("page {page} is of {account}, and there is no such account")]
    Orphan { account: AccountId, page: u64 },
}

/// Follows one account's entries.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    account: &'a AccountId,
    sequence: u64,
    balance: i64,
    held: i64,
    available: i64,
    head: Digest,
}

impl<'a> Chain<'a> {
    pub(crate) const fn new(account: &'a AccountId) -> Self {
        Self { account, sequence: 0, balance: 0, held: 0, available: 0, head: [0; 32] }
    }

    /// The next full page.
    pub(crate) fn follow_page(&mut self, page: u64, entries: &[Entry], head: &Digest) -> Result<(), Difference> {
        let account = || self.account.clone();
        let expected = page_number(self.sequence + 1);
        if page != expected {
            return Err(Difference::PageOutOfPlace { account: account(), expected, found: page });
        }
        if entries.len() as u64 != PAGE_CAPACITY {
            return Err(Difference::PageLength { account: account(), page, entries: entries.len() });
        }
        self.follow(entries, head)
    }

    /// The open page, and the account that it leaves.
    pub(crate) fn end(&mut self, account: &Account, open: &[Entry]) -> Result<(), Difference> {
        let id = || account.id.clone();
        let page = page_number(self.sequence + 1);
        if open.first().is_some_and(|first| page_number(first.sequence) > page) {
            return Err(Difference::PageMissing { account: id(), page });
        }
        self.follow(open, &account.head)?;
        if account.sequence != self.sequence || (account.sequence > 0 && open.is_empty()) {
            return Err(Difference::Sequence { account: id(), sequence: account.sequence, entry: self.sequence });
        }
        if account.balance != self.balance {
            return Err(Difference::Balance { account: id(), balance: account.balance, entry: self.balance });
        }
        let holds = account.holds.iter().map(|hold| i128::from(hold.remaining)).sum();
        if i128::from(account.held) != holds {
            return Err(Difference::Held { account: id(), held: account.held, holds });
        }
        if account.held != self.held {
            return Err(Difference::LastHeld { account: id(), held: account.held, entry: self.held });
        }
        // The overdraft limit stands in no entry; what it makes available does.
        let available = i128::from(account.balance) + i128::from(account.overdraft_limit) - i128::from(account.held);
        if available != i128::from(self.available) {
            return Err(Difference::Available { account: id(), available, entry: self.available });
        }
        Ok(())
    }

    fn follow(&mut self, entries: &[Entry], head: &Digest) -> Result<(), Difference> {
        let page = page_number(self.sequence + 1);
        for entry in entries {
            self.follow_entry(entry)?;
        }
        if self.head == *head { Ok(()) } else { Err(Difference::Chain { account: self.account.clone(), page }) }
    }

    fn follow_entry(&mut self, entry: &Entry) -> Result<(), Difference> {
        let account = || self.account.clone();
        let (expected, found) = (self.sequence + 1, entry.sequence);
        if found != expected {
            return Err(Difference::EntryOutOfPlace { account: account(), expected, found });
        }
        let balance = i128::from(self.balance) + i128::from(entry.balance_change());
        if i128::from(entry.balance) != balance {
            let (sequence, found) = (entry.sequence, entry.balance);
            return Err(Difference::Fold { account: account(), sequence, found, expected: balance });
        }
        if entry.available < 0 {
            let (sequence, available) = (entry.sequence, entry.available);
            return Err(Difference::Overdrawn { account: account(), sequence, available });
        }
        self.sequence = entry.sequence;
        self.balance = entry.balance;
        self.held = entry.held;
        self.available = entry.available;
        self.head = entry.digest(&self.head);
        Ok(())
    }
}

/// Debits and credits, a sum a currency.
#[derive(Debug, Default)]
pub(crate) struct Sums(BTreeMap<Currency, i128>);

impl Sums {
    pub(crate) fn add(&mut self, account: &Account) {
        *self.0.entry(account.currency).or_default() += i128::from(account.balance);
    }

    pub(crate) fn add_contra(&mut self, contra: &ContraAccount) {
        *self.0.entry(contra.id.currency).or_default() += i128::from(contra.balance);
    }

    pub(crate) fn difference(&self) -> Option<Difference> {
        let (currency, by) = self.0.iter().find(|(_, sum)| **sum != 0)?;
        Some(Difference::Unbalanced { currency: *currency, by: *by })
    }
}
