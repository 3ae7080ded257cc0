//! Whether the books are right: an account's chain of entries, followed page by page, the sums over all accounts, and whether
//! every record that was applied has its outcome.
//!
//! Pure: whoever reads the accounts and pages, in the order of account ids, feeds them in. What is kept is one sum a
//! currency, one count a partition and generation, and one link of one chain.

use std::collections::BTreeMap;

use ledger::{
    Account, AccountId, ContraAccount, Currency, Digest, Entry, Generation, PAGE_CAPACITY, Page, Partition, Position,
    Unsound, chain_start, page_number,
};

use crate::fence::Fence;

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
    #[error("the account {account} cannot be: {unsound}")]
    Unsound { account: AccountId, unsound: Unsound },
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
    #[error("entry {sequence} of {account} leaves {found} held, while the entries before it make that {expected}")]
    HeldFold { account: AccountId, sequence: u64, found: i64, expected: i128 },
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
    #[error(
        "{applied} records of partition {partition} were applied in generation {generation}, and the books have outcomes of {found}: entries, unbooked outcomes and dead letters together; what is missing was deleted, or the books are a mixture of two"
    )]
    Outcomes { generation: Generation, partition: Partition, applied: u64, found: u64 },
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
    pub(crate) fn new(account: &'a AccountId) -> Self {
        Self { account, sequence: 0, balance: 0, held: 0, available: 0, head: chain_start(account) }
    }

    /// The next full page.
    pub(crate) fn follow_page(&mut self, page: &Page) -> Result<(), Difference> {
        let account = || self.account.clone();
        let expected = page_number(self.sequence + 1);
        if page.number != expected {
            return Err(Difference::PageOutOfPlace { account: account(), expected, found: page.number });
        }
        if page.entries.len() as u64 != PAGE_CAPACITY {
            return Err(Difference::PageLength { account: account(), page: page.number, entries: page.entries.len() });
        }
        self.follow(&page.entries, &page.head)
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
        if account.held != self.held {
            return Err(Difference::LastHeld { account: id(), held: account.held, entry: self.held });
        }
        // The overdraft limit stands in no entry; what it makes available does.
        let available = i128::from(account.balance) + i128::from(account.overdraft_limit) - i128::from(account.held);
        if available != i128::from(self.available) {
            return Err(Difference::Available { account: id(), available, entry: self.available });
        }
        account.check().map_err(|unsound| Difference::Unsound { account: id(), unsound })
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
        let (sequence, after, change) = (entry.sequence, entry.after, entry.line.change());
        let expected = i128::from(self.balance) + i128::from(change.balance);
        if i128::from(after.balance) != expected {
            return Err(Difference::Fold { account: account(), sequence, found: after.balance, expected });
        }
        let expired: i128 = entry.expired.iter().map(|hold| i128::from(hold.released)).sum();
        let expected = i128::from(self.held) + i128::from(change.held) - expired;
        if i128::from(after.held) != expected {
            return Err(Difference::HeldFold { account: account(), sequence, found: after.held, expected });
        }
        if after.available < 0 {
            return Err(Difference::Overdrawn { account: account(), sequence, available: after.available });
        }
        self.sequence = sequence;
        self.balance = after.balance;
        self.held = after.held;
        self.available = after.available;
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
        *self.0.entry(contra.id.currency).or_default() += contra.balance;
    }

    pub(crate) fn difference(&self) -> Option<Difference> {
        let (currency, by) = self.0.iter().find(|(_, sum)| **sum != 0)?;
        Some(Difference::Unbalanced { currency: *currency, by: *by })
    }
}

/// The outcomes that the books have, a count for each partition of each generation.
#[derive(Debug, Default)]
pub(crate) struct Outcomes(BTreeMap<(Generation, Partition), u64>);

impl Outcomes {
    pub(crate) fn add(&mut self, position: Position) {
        *self.0.entry((position.generation(), position.partition())).or_default() += 1;
    }

    /// Holds the counts against what the fences say was applied.
    pub(crate) fn difference(&self, fences: &[Fence]) -> Option<Difference> {
        let mut applied: BTreeMap<(Generation, Partition), u64> = BTreeMap::new();
        for fence in fences {
            applied.insert((fence.generation, fence.partition), fence.applied());
            applied.extend(fence.earlier.iter().map(|over| ((over.generation, fence.partition), over.applied)));
        }
        let untold = self.0.keys().filter(|place| !applied.contains_key(*place)).map(|place| (*place, 0));
        let all: Vec<_> = applied.iter().map(|(place, applied)| (*place, *applied)).chain(untold).collect();
        all.into_iter().find_map(|(place @ (generation, partition), applied)| {
            let found = self.0.get(&place).copied().unwrap_or(0);
            (found != applied).then_some(Difference::Outcomes { generation, partition, applied, found })
        })
    }
}
