//! Checks the books: one pass over the accounts and one over the pages, side by side, in one snapshot.
//!
//! Both are read in the order of account ids, so of each only the current one is held in memory, and since every read is of
//! one moment, the check may run while the log is being settled. MongoDB keeps that moment readable for five minutes.

use backon::Retryable;
use ledger::{AccountId, Entry, Page, Position, TransactionId};
use mongodb::bson::{RawDocumentBuf, doc};
use mongodb::options::SessionOptions;
use mongodb::{ClientSession, SessionCursor};

use super::MongoStore;
use super::rows::{each_in_session, name_of};
use crate::apply::backoff;
use crate::audit::{Chain, Checked, Difference, Outcomes, Sums};
use crate::error::StoreError;
use crate::fence::Fence;
use crate::shape::{
    ACCOUNTS, DEAD_LETTERS, FENCES, Fields, PAGES, UNBOOKED, read_account_as_it_is, read_contra, read_fence,
    read_open_page_as_it_is, read_page,
};

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

impl MongoStore {
    /// Whether debits equal credits in every currency, every account is sound, every account's entries, from the first to
    /// the last, follow from each other and have not been changed, and every record that was applied has its outcome.
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
        let mut session = self.books.client.start_session().with_options(options).await?;
        let by_id = doc! { "_id": 1 };
        let (accounts, pages) = (self.books.collection(ACCOUNTS), self.books.collection(PAGES));
        let accounts = accounts.find(doc! {}).sort(by_id.clone()).batch_size(BATCH);
        let mut accounts = accounts.session(&mut session).await?;
        let pages = pages.find(doc! {}).sort(by_id).batch_size(BATCH);
        let mut pages = Pages { cursor: pages.session(&mut session).await?, next: None };
        pages.advance(&mut session).await?;
        let (mut sums, mut outcomes) = (Sums::default(), Outcomes::default());
        while accounts.advance(&mut session).await? {
            let fields = Fields(accounts.current());
            let id = fields.text("_id").map_err(|wrong| wrong.in_document(ACCOUNTS, name_of(fields.0)))?;
            if id.starts_with('@') {
                sums.add_contra(&read_contra(fields).map_err(|wrong| wrong.in_document(ACCOUNTS, id))?);
                continue;
            }
            let row = accounts.current().to_owned();
            sums.add(&check_account(&row, &mut pages, &mut session, checked, &mut outcomes).await?);
        }
        pages.expect_none_before(None)?;
        if let Some(difference) = sums.difference() {
            return Err(difference.into());
        }
        self.count_unbooked(&mut session, &mut outcomes).await?;
        let fences = self.fences_in(&mut session).await?;
        outcomes.difference(&fences).map_or(Ok(()), |difference| Err(difference.into()))
    }

    /// What stands in no book: unbooked outcomes and dead letters.
    async fn count_unbooked(&self, session: &mut ClientSession, outcomes: &mut Outcomes) -> Result<(), StoreError> {
        let id = doc! { "_id": 1 };
        let (unbooked, letters) = (self.books.collection(UNBOOKED), self.books.collection(DEAD_LETTERS));
        let ids = unbooked.find(doc! {}).projection(id.clone()).batch_size(BATCH);
        let cursor = ids.session(&mut *session).await?;
        each_in_session(cursor, session, UNBOOKED, |fields| {
            outcomes.add(fields.parsed::<TransactionId>("_id")?.position);
            Ok(())
        })
        .await?;
        let ids = letters.find(doc! {}).projection(id).batch_size(BATCH);
        let cursor = ids.session(&mut *session).await?;
        each_in_session(cursor, session, DEAD_LETTERS, |fields| {
            outcomes.add(fields.parsed::<Position>("_id")?);
            Ok(())
        })
        .await
    }

    async fn fences_in(&self, session: &mut ClientSession) -> Result<Vec<Fence>, StoreError> {
        let cursor = self.books.collection(FENCES).find(doc! {}).session(&mut *session).await?;
        let mut fences = Vec::new();
        each_in_session(cursor, session, FENCES, |fields| {
            fences.push(read_fence(fields)?);
            Ok(())
        })
        .await?;
        Ok(fences)
    }
}

async fn check_account(
    row: &RawDocumentBuf,
    pages: &mut Pages,
    session: &mut ClientSession,
    checked: &mut Checked,
    outcomes: &mut Outcomes,
) -> Result<ledger::Account, End> {
    let fields = Fields(row);
    let id: AccountId = fields.parsed("_id").map_err(|wrong| wrong.in_document(ACCOUNTS, name_of(row)))?;
    let wrong = |wrong: crate::shape::Malformed| wrong.in_document(ACCOUNTS, &id);
    let account = read_account_as_it_is(fields, id.clone()).map_err(wrong)?;
    let open = read_open_page_as_it_is(fields).map_err(wrong)?;
    let mut chain = Chain::new(&account.id);
    pages.expect_none_before(Some(&id))?;
    while let Some(page) = pages.next.take_if(|page| page.account == id) {
        chain.follow_page(&page)?;
        count(&page.entries, checked, outcomes);
        pages.advance(session).await?;
    }
    chain.end(&account, &open.entries)?;
    count(&open.entries, checked, outcomes);
    checked.accounts += 1;
    Ok(account)
}

fn count(entries: &[Entry], checked: &mut Checked, outcomes: &mut Outcomes) {
    checked.entries += entries.len() as u64;
    entries.iter().for_each(|entry| outcomes.add(entry.position));
}

/// The pages in the order of their accounts, one ahead.
struct Pages {
    cursor: SessionCursor<RawDocumentBuf>,
    next: Option<Page>,
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
