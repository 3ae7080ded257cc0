//! Checks the books: one pass over the accounts and one over the pages, side by side, in one snapshot.
//!
//! Both are read in the order of account ids, so of each only the current one is held in memory, and since every read is of
//! one moment, the check may run while the log is being settled. MongoDB keeps that moment readable for five minutes.

use backon::Retryable;
use ledger::AccountId;
use mongodb::bson::{RawDocumentBuf, doc};
use mongodb::options::SessionOptions;
use mongodb::{ClientSession, SessionCursor};

use super::Store;
use super::commit::backoff;
use super::rows::name_of;
use crate::audit::{Chain, Checked, Difference, Sums};
use crate::error::StoreError;
use crate::shape::{ACCOUNTS, Fields, PAGES, StoredPage, read_account, read_contra, read_open_page, read_page};

/// A snapshot of collections that have just been made is refused for a moment.
const ATTEMPTS: usize = 20;
const BATCH: u32 = 1_000;

/// Why a check ends early.
enum End {
    Difference(Difference),
    Failure(StoreError),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Failure(error)
    }
}

impl From<mongodb::error::Error> for End {
    fn from(error: mongodb::error::Error) -> Self {
        Self::Failure(error.into())
    }
}

impl From<Difference> for End {
    fn from(difference: Difference) -> Self {
        Self::Difference(difference)
    }
}

impl Store {
    /// Whether debits equal credits in every currency, every account holds what its open holds come to, and every
    /// account's entries, from the first to the last, follow from each other and have not been changed.
    ///
    /// # Errors
    /// When MongoDB fails, or has a document that this program did not write.
    pub async fn check(&self) -> Result<Checked, StoreError> {
        (|| self.check_once()).retry(backoff().with_max_times(ATTEMPTS)).when(StoreError::is_conflict).await
    }

    async fn check_once(&self) -> Result<Checked, StoreError> {
        let mut checked = Checked::default();
        match self.check_all(&mut checked).await {
            Ok(()) => Ok(checked),
            Err(End::Difference(difference)) => Ok(Checked { difference: Some(difference), ..checked }),
            Err(End::Failure(error)) => Err(error),
        }
    }

    async fn check_all(&self, checked: &mut Checked) -> Result<(), End> {
        let options = SessionOptions::builder().snapshot(true).build();
        let mut session = self.client.start_session().with_options(options).await?;
        let by_id = doc! { "_id": 1 };
        let (accounts, pages) = (self.collection(ACCOUNTS), self.collection(PAGES));
        let accounts = accounts.find(doc! {}).sort(by_id.clone()).batch_size(BATCH);
        let mut accounts = accounts.session(&mut session).await?;
        let pages = pages.find(doc! {}).sort(by_id).batch_size(BATCH);
        let mut pages = Pages { cursor: pages.session(&mut session).await?, next: None };
        pages.advance(&mut session).await?;
        let mut sums = Sums::default();
        while accounts.advance(&mut session).await? {
            let fields = Fields(accounts.current());
            let id = fields.text("_id").map_err(|wrong| wrong.in_document(ACCOUNTS, name_of(fields.0)))?;
            if id.starts_with('@') {
                sums.add_contra(&read_contra(fields).map_err(|wrong| wrong.in_document(ACCOUNTS, id))?);
                continue;
            }
            let row = accounts.current().to_owned();
            sums.add(&check_account(&row, &mut pages, &mut session, checked).await?);
        }
        pages.expect_none_before(None)?;
        sums.difference().map_or(Ok(()), |difference| Err(difference.into()))
    }
}

async fn check_account(
    row: &RawDocumentBuf,
    pages: &mut Pages,
    session: &mut ClientSession,
    checked: &mut Checked,
) -> Result<ledger::Account, End> {
    let fields = Fields(row);
    let id: AccountId = fields.parsed("_id").map_err(|wrong| wrong.in_document(ACCOUNTS, name_of(row)))?;
    let wrong = |wrong: crate::shape::Malformed| wrong.in_document(ACCOUNTS, &id);
    let account = read_account(fields, id.clone()).map_err(wrong)?;
    let open = read_open_page(fields).map_err(wrong)?;
    let mut chain = Chain::new(&account.id);
    pages.expect_none_before(Some(&id))?;
    while let Some(page) = pages.next.take_if(|page| page.account == id) {
        chain.follow_page(page.number, &page.entries, &page.head)?;
        checked.entries += page.entries.len() as u64;
        pages.advance(session).await?;
    }
    chain.end(&account, &open.entries)?;
    checked.entries += open.entries.len() as u64;
    checked.accounts += 1;
    Ok(account)
}

/// The pages in the order of their accounts, one ahead.
struct Pages {
    cursor: SessionCursor<RawDocumentBuf>,
    next: Option<StoredPage>,
}

impl Pages {
    async fn advance(&mut self, session: &mut ClientSession) -> Result<(), StoreError> {
        self.next = if self.cursor.advance(session).await? {
            let row = self.cursor.current();
            Some(read_page(Fields(row)).map_err(|wrong| wrong.in_document(PAGES, name_of(row)))?)
        } else {
            None
        };
        Ok(())
    }

    /// A page before the next account's is of no account.
    fn expect_none_before(&self, account: Option<&AccountId>) -> Result<(), Difference> {
        match &self.next {
            Some(page) if account.is_none_or(|account| page.account < *account) => {
                Err(Difference::Orphan { account: page.account.clone(), page: page.number })
            }
            _ => Ok(()),
        }
    }
}
