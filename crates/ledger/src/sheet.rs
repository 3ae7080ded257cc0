//! One account on a worksheet, with the entries that the batch writes, and the turning of its pages.

use crate::account::Account;
use crate::account_id::AccountId;
use crate::entry::Entry;
use crate::money::Currency;
use crate::page::{OpenPage, PAGE_CAPACITY, Page, page_number};
use crate::worksheet::{AccountChange, NotRead};

#[derive(Debug)]
pub(crate) struct Sheet {
    before: Option<Account>,
    pub(crate) account: Account,
    /// The entries of the open page before the batch, until they turn; none where they were not read.
    found: Vec<Entry>,
    /// The pages that have turned, in order.
    turned: Vec<Page>,
    /// The batch's entries of the page that is open now.
    entries: Vec<Entry>,
}

impl Sheet {
    pub(crate) fn of(account: Account, open_page: Option<Vec<Entry>>) -> Self {
        let found = open_page.unwrap_or_default();
        Self { before: Some(account.clone()), account, found, turned: Vec::new(), entries: Vec::new() }
    }

    pub(crate) fn opened(id: AccountId, currency: Currency) -> Self {
        let account = Account::open(id, currency);
        Self { before: None, account, found: Vec::new(), turned: Vec::new(), entries: Vec::new() }
    }

    pub(crate) const fn has_changed(&self) -> bool {
        !(self.turned.is_empty() && self.entries.is_empty())
    }

    /// Writes the next entry. If the open page is full, it turns first. `entry.sequence` is the account's own already.
    pub(crate) fn write(&mut self, entry: Entry) -> Result<(), NotRead> {
        let before = entry.sequence - 1;
        if page_number(entry.sequence) > page_number(before) {
            self.turn(page_number(before))?;
        }
        self.account.head = entry.digest(&self.account.head);
        self.entries.push(entry);
        Ok(())
    }

    /// Turns the open page, which must be full; the account's head is the digest of its last entry.
    fn turn(&mut self, number: u64) -> Result<(), NotRead> {
        let new = std::mem::replace(&mut self.entries, Vec::with_capacity(PAGE_CAPACITY as usize));
        let found = std::mem::take(&mut self.found);
        let entries: Vec<Entry> = if found.is_empty() { new } else { found.into_iter().chain(new).collect() };
        let is_whole = entries.len() as u64 == PAGE_CAPACITY
            && entries.first().is_some_and(|first| page_number(first.sequence) == number);
        // A page that was not read lacks its first entries.
        if !is_whole {
            return Err(NotRead::OpenPage(self.account.id.clone()));
        }
        self.turned.push(Page { account: self.account.id.clone(), number, entries, head: self.account.head });
        Ok(())
    }

    pub(crate) fn into_change(self) -> AccountChange {
        let Self { before, account, turned, entries, .. } = self;
        let open_page = if turned.is_empty() { OpenPage::Grown(entries) } else { OpenPage::Begun(entries) };
        AccountChange { before, after: account, turned, open_page }
    }
}
