//! One account on a worksheet, with the entries that the batch writes, and the turning of its pages.

use crate::account::Account;
use crate::account_id::AccountId;
use crate::digest::Digest;
use crate::entry::Entry;
use crate::money::Currency;
use crate::page::{OpenPage, PAGE_CAPACITY, Page, page_number, page_sequences, turned_pages};
use crate::worksheet::{AccountChange, NotRead};

#[derive(Debug)]
pub(crate) struct Sheet {
    before: Option<Account>,
    pub(crate) account: Account,
    /// The entries of the open page before the batch, where they were read.
    open_page: Option<Vec<Entry>>,
    entries: Vec<Entry>,
    /// The digest of the last entry of each page that is full with an entry of the batch.
    page_heads: Vec<Digest>,
}

impl Sheet {
    pub(crate) fn of(account: Account, open_page: Option<Vec<Entry>>) -> Self {
        Self { before: Some(account.clone()), account, open_page, entries: Vec::new(), page_heads: Vec::new() }
    }

    pub(crate) fn opened(id: AccountId, currency: Currency) -> Self {
        let account = Account::open(id, currency);
        Self { before: None, account, open_page: Some(Vec::new()), entries: Vec::new(), page_heads: Vec::new() }
    }

    pub(crate) const fn has_changed(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Writes the next entry. `entry.sequence` is the account's own already.
    pub(crate) fn write(&mut self, entry: Entry) {
        self.account.head = entry.digest(&self.account.head);
        if entry.sequence.is_multiple_of(PAGE_CAPACITY) {
            self.page_heads.push(self.account.head);
        }
        self.entries.push(entry);
    }

    pub(crate) fn into_change(self) -> Result<AccountChange, NotRead> {
        let Self { before, account, open_page, entries, page_heads } = self;
        let sequence_before = before.as_ref().map_or(0, |before| before.sequence);
        let turned = turned_pages(sequence_before, account.sequence);
        if turned.is_empty() {
            return Ok(AccountChange {
                before,
                after: account,
                turned: Vec::new(),
                open_page: OpenPage::Grown(entries),
            });
        }
        // Where the open page was full before the batch, it turns with the head that the account had.
        let was_full = sequence_before > 0 && sequence_before == *page_sequences(turned.start).end();
        let head_before = before.as_ref().filter(|_| was_full).map(|before| before.head);
        let mut heads = head_before.into_iter().chain(page_heads);
        let mut open_page = open_page.ok_or_else(|| NotRead::OpenPage(account.id.clone()))?;
        open_page.extend(entries);
        let mut pages = Vec::new();
        for number in turned {
            let rest = open_page.split_off(PAGE_CAPACITY.min(open_page.len() as u64) as usize);
            let entries = std::mem::replace(&mut open_page, rest);
            let is_whole = entries.len() as u64 == PAGE_CAPACITY
                && entries.first().is_some_and(|first| page_number(first.sequence) == number);
            let head = heads.next().filter(|_| is_whole).ok_or_else(|| NotRead::OpenPage(account.id.clone()))?;
            pages.push(Page { account: account.id.clone(), number, entries, head });
        }
        Ok(AccountChange { before, after: account, turned: pages, open_page: OpenPage::Begun(open_page) })
    }
}
