//! The books in memory, for fast tests of what stands on them, and for the simulation. The same rules and the same answers as
//! on MongoDB, nothing durable.
//!
//! A transaction works on a snapshot. It fails with a conflict when it moves a fence that another one under way has moved,
//! or that has been moved since its snapshot was taken, and when an account that it writes has been written since.

mod reading;
mod state;
mod transaction;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger::{ContraAccount, Generation, Partition, Position, Timestamp};
use tokio::sync::Notify;

use crate::batch::{Applied, LogRecord, Published};
use crate::books::Books;
use crate::error::{GenerationError, StoreError};
use crate::fence::Fence;
use crate::generation::check_may_begin;
use crate::store::{Store, Terms};
use state::State;
pub use transaction::MemoryTransaction;

/// A store over books in memory.
pub type MemoryStore = Store<Memory>;

/// Books in memory. Cheap to clone; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    books: Arc<Mutex<Shelf>>,
    applied: Arc<Notify>,
}

/// The books, and who is at them.
#[derive(Debug, Default)]
struct Shelf {
    state: Arc<State>,
    /// Counts the commits.
    version: u64,
    /// The fences that transactions under way have moved.
    moving: Vec<Partition>,
    read_error: Option<StoreError>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Memory::default(), Terms::default())
    }
}

impl MemoryStore {
    /// From now on every read fails so; or succeeds again.
    pub fn fail_reads(&self, error: Option<StoreError>) {
        self.books.shelf().read_error = error;
    }

    /// The fence of every partition that has one.
    pub fn fences(&self) -> Vec<Fence> {
        self.books.shelf().state.fences.values().cloned().collect()
    }

    /// The contra accounts, in the order of their ids.
    pub fn contra_accounts(&self) -> Vec<ContraAccount> {
        self.books.shelf().state.contra.values().cloned().collect()
    }

    /// Begins a generation, as [`MongoStore::begin_generation`](crate::MongoStore::begin_generation) does.
    ///
    /// # Errors
    /// When a later generation has begun, or something of this one has been applied.
    pub fn begin_generation(
        &self,
        topic: &str,
        partitions: Partition,
        generation: Generation,
        began_at: Option<Timestamp>,
    ) -> Result<(), GenerationError> {
        let mut shelf = self.books.shelf();
        let fences: Vec<Fence> = shelf.state.fences.values().cloned().collect();
        check_may_begin(topic, partitions, generation, &fences)?;
        let begun = Fence::begin(topic, partitions, generation, began_at, &fences);
        let fences = begun.into_iter().map(|fence| (fence.partition, fence)).collect();
        Arc::make_mut(&mut shelf.state).fences = fences;
        shelf.version += 1;
        Ok(())
    }
}

impl Memory {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books for Memory {
    type Transaction = MemoryTransaction;

    async fn begin(&self) -> Result<MemoryTransaction, StoreError> {
        Ok(MemoryTransaction::begin(self.clone()))
    }

    async fn find_applied(
        &self,
        partition: Partition,
        generation: Generation,
        records: &[LogRecord],
    ) -> Result<Vec<(Position, Applied)>, StoreError> {
        let state = Arc::clone(&self.shelf().state);
        let find = |record: &LogRecord| {
            let position = record.position(generation, partition);
            Some((position, state.applied(&record.id_at(position), position)?))
        };
        Ok(records.iter().filter_map(find).collect())
    }

    async fn mark_published(&self, marks: &[Published]) -> Result<(), StoreError> {
        let mut shelf = self.shelf();
        let fences = &mut Arc::make_mut(&mut shelf.state).fences;
        for Published { partition, generation, before, .. } in marks {
            if let Some(fence) = fences.get_mut(partition).filter(|fence| fence.generation == *generation) {
                fence.published = fence.published.max(*before);
            }
        }
        Ok(())
    }
}
