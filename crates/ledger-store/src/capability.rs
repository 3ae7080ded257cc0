//! The two capabilities of a store. A function's signature says which one it uses.

use std::future::Future;

use ledger::{Account, AccountId, Generation, Offset, Outcome, Partition, Position, Timestamp, TransactionId};
use tokio::time::Instant;

use crate::batch::{PartitionBatch, Published, Report};
use crate::error::StoreError;

/// The most outcomes one statement holds.
pub const MAX_STATEMENT_LIMIT: usize = 1_000;

/// Applies the log to the accounts.
pub trait Settling: Send + Sync {
    /// Settles a batch, as much of it as goes, and says what became of each record that is applied, in the order of the
    /// log. `settled_at` is this machine's clock; it goes into every new entry and decides nothing about money. Transient
    /// failures are tried again until the deadline.
    fn apply(
        &self,
        batch: PartitionBatch,
        settled_at: Timestamp,
        deadline: Instant,
    ) -> impl Future<Output = Report> + Send;

    /// Settles batches of different partitions in one transaction, which costs about as much as one of them, and gives a
    /// report for each: every record is applied. Where they are too large for that, or it did not succeed at once, they are
    /// given back, to be settled each by itself.
    fn apply_together(
        &self,
        batches: Vec<PartitionBatch>,
        settled_at: Timestamp,
        deadline: Instant,
    ) -> impl Future<Output = Result<Vec<Report>, Vec<PartitionBatch>>> + Send;

    /// Notes how far outcomes are published: [`Report::unpublished`] begins there.
    fn mark_published(&self, marks: &[Published]) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Answers questions about what has been settled.
pub trait Reading: Send + Sync {
    /// What became of a command.
    fn transaction(&self, id: &TransactionId) -> impl Future<Output = Result<Lookup, StoreError>> + Send;

    /// What became of a command, once it has been settled or the time has come. However many wait, the store is asked
    /// for its fences once in a while for all of them, and for an outcome when it is there.
    fn await_outcome(
        &self,
        id: &TransactionId,
        until: Instant,
    ) -> impl Future<Output = Result<Lookup, StoreError>> + Send;

    /// Whether a command is about to be settled, as far as those who wait have seen: its partition is just being settled,
    /// and it is among the next there: the next hundred, or twice as many as were settled last. Asks the store nothing.
    fn comes_soon(&self, position: Position) -> bool;

    fn account(&self, id: &AccountId) -> impl Future<Output = Result<Option<AccountView>, StoreError>> + Send;

    /// Up to `limit` (at most [`MAX_STATEMENT_LIMIT`]) outcomes of an account, the newest first: those with a sequence
    /// number below `before_sequence`, where it is given. Nothing where there is no such account.
    fn statement(
        &self,
        id: &AccountId,
        before_sequence: Option<u64>,
        limit: usize,
    ) -> impl Future<Output = Result<Option<Vec<Outcome>>, StoreError>> + Send;

    /// How far each partition of the log that something was applied of is settled: its generation and next offset.
    fn progress(&self) -> impl Future<Output = Result<Progress, StoreError>> + Send;

    /// Whether the store answers.
    fn ping(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Partitions with their generation and next offset.
pub type Progress = Vec<(Partition, (Generation, Offset))>;

/// What the store knows of a transaction id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    Settled(Outcome),
    /// Its offset has not been applied yet. Whether the log has it at all, only the log knows.
    Accepted,
    /// Nobody could read the record; it is set aside.
    Unreadable {
        why: String,
        recorded_at: Timestamp,
    },
    NotFound,
}

/// An account as its last entry left it. [`Account::at`] gives it as it is now, expired holds given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountView {
    pub account: Account,
    /// When the last entry was settled.
    pub updated_at: Timestamp,
}
