//! The port to where the books are kept: transactions over them, and finding what was settled.
//!
//! Two adapters stand behind it, MongoDB ([`Mongo`](crate::mongo::Mongo)) and memory ([`Memory`](crate::memory::Memory));
//! the simulation puts faults between. All rules stand on this side of the port, in `apply`.

use std::future::Future;

use ledger::{
    Account, AccountId, Changes, ContraAccount, ContraId, Entry, Generation, IdempotencyKey, KnownKey, Outcome,
    Partition, Position, Timestamp,
};
use tokio::time::Instant;

use crate::batch::{Applied, DeadLetter, LogRecord, Published};
use crate::error::StoreError;
use crate::fence::{Fence, FenceMove};

/// Where books are kept. Cheap to clone; clones share the books.
pub trait Books: Clone + Send + Sync + 'static {
    type Transaction: Transaction;

    /// Begins a transaction: it reads one moment's books, and what it writes becomes visible whole or not at all.
    fn begin(&self) -> impl Future<Output = Result<Self::Transaction, StoreError>> + Send;

    /// What became of records of a partition that have been applied. Whatever is nowhere is left out.
    fn find_applied(
        &self,
        partition: Partition,
        generation: Generation,
        records: &[LogRecord],
    ) -> impl Future<Output = Result<Vec<(Position, Applied)>, StoreError>> + Send;

    /// Notes in fences how far outcomes are published. A mark of another generation than its fence is of no account.
    fn mark_published(&self, marks: &[Published]) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A transaction under way. To drop one abandons it: whatever it has locked stays locked until the server notices.
pub trait Transaction: Send {
    /// Moves fences of different partitions forward, or begins them, and says how each stood. A partition that was added to
    /// the topic after its generation began gets a fence of that generation ([`Fence::of_added_partition`]), and nothing
    /// stands in it. Of two transactions that move one fence, the later one fails at once with [`StoreError::Conflict`].
    fn move_fences(
        &mut self,
        moves: &[FenceMove],
    ) -> impl Future<Output = Result<Vec<Option<Fence>>, StoreError>> + Send;

    /// Reads accounts; those that are not there are left out. Stops with [`StoreError::TooLarge`] at so many bytes.
    fn read_accounts(
        &mut self,
        wanted: &WantedAccounts,
        most_bytes: usize,
    ) -> impl Future<Output = Result<FoundAccounts, StoreError>> + Send;

    /// Reads the open pages of accounts.
    fn read_open_pages(
        &mut self,
        accounts: &[AccountId],
    ) -> impl Future<Output = Result<Vec<(AccountId, Vec<Entry>)>, StoreError>> + Send;

    /// Reads the turned pages in which any of the holds ended.
    fn read_ends_of_holds(
        &mut self,
        holds: &[Position],
    ) -> impl Future<Output = Result<Vec<(AccountId, Vec<Entry>)>, StoreError>> + Send;

    /// Reads idempotency keys; those that are not there are left out.
    fn read_keys(
        &mut self,
        keys: &[(AccountId, IdempotencyKey)],
    ) -> impl Future<Output = Result<Vec<(AccountId, IdempotencyKey, KnownKey)>, StoreError>> + Send;

    /// Writes all that batches of different partitions changed.
    fn write(&mut self, works: &[Work]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes all of it visible, for good. Where nobody knows whether it was done, asks again until then.
    fn commit(&mut self, until: Instant) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Gives up what was done, and whatever is locked.
    fn abort(&mut self) -> impl Future<Output = ()> + Send;
}

/// The accounts that a batch touches.
#[derive(Debug, Default)]
pub struct WantedAccounts {
    pub accounts: Vec<AccountId>,
    pub contra: Vec<ContraId>,
    /// Whether the open pages come along.
    pub with_pages: bool,
}

/// The accounts that are there.
#[derive(Debug, Default)]
pub struct FoundAccounts {
    /// With the entries of their open pages, where they were to come along.
    pub accounts: Vec<(Account, Option<Vec<Entry>>)>,
    pub contra: Vec<ContraAccount>,
    /// How large they are as they are stored.
    pub bytes: usize,
}

impl FoundAccounts {
    /// Counts one account more, before it is kept.
    ///
    /// # Errors
    /// When they come to more than `most`.
    pub(crate) fn count(&mut self, bytes: usize, most: usize) -> Result<(), StoreError> {
        self.bytes += bytes;
        if self.bytes > most {
            let read = self.accounts.len();
            return Err(StoreError::TooLarge(format!("{read} accounts come to more than {most} bytes")));
        }
        Ok(())
    }
}

/// All that is to be written of a batch, beside the fence.
#[derive(Debug, Clone)]
pub struct Work {
    pub topic: String,
    pub partition: Partition,
    pub changes: Changes,
    pub unbooked: Vec<Outcome>,
    pub dead_letters: Vec<(Position, DeadLetter)>,
    /// How many offsets without a record the batch steps over.
    pub voids: u64,
    pub settled_at: Timestamp,
    /// When MongoDB may forget the keys of the batch: long after they stand for nothing.
    pub keys_swept_at: Timestamp,
}
