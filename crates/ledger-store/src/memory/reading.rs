use std::sync::Arc;

use ledger::{AccountId, Generation, Offset, Outcome, Partition, Position, TransactionId};
use tokio::time::{Instant, timeout_at};

use super::state::State;
use super::{Memory, MemoryStore};
use crate::capability::{AccountView, Lookup, MAX_STATEMENT_LIMIT, Reading};
use crate::error::StoreError;

impl Memory {
    /// The books, for a read.
    fn readable(&self) -> Result<Arc<State>, StoreError> {
        let shelf = self.shelf();
        shelf.read_error.clone().map_or(Ok(Arc::clone(&shelf.state)), Err)
    }
}

impl Reading for MemoryStore {
    async fn transaction(&self, id: &TransactionId) -> Result<Lookup, StoreError> {
        Ok(self.books.readable()?.look_up(id))
    }

    async fn await_outcome(&self, id: &TransactionId, until: Instant) -> Result<Lookup, StoreError> {
        loop {
            // Registered before looking, so that what is applied in between wakes it.
            let applied = self.books.applied.notified();
            let lookup = self.books.readable()?.look_up(id);
            if lookup != Lookup::Accepted || timeout_at(until, applied).await.is_err() {
                return Ok(lookup);
            }
        }
    }

    /// Whoever has applied something of a partition is taken to go on.
    fn comes_soon(&self, position: Position) -> bool {
        self.books.shelf().state.fences.contains_key(&position.partition())
    }

    async fn account(&self, id: &AccountId) -> Result<Option<AccountView>, StoreError> {
        let state = self.books.readable()?;
        let view = state.accounts.get(id).and_then(|kept| {
            Some(AccountView { account: kept.account.clone(), updated_at: kept.open_page.last()?.settled_at })
        });
        Ok(view)
    }

    async fn statement(
        &self,
        id: &AccountId,
        before_sequence: Option<u64>,
        limit: usize,
    ) -> Result<Option<Vec<Outcome>>, StoreError> {
        let state = self.books.readable()?;
        if !state.accounts.contains_key(id) {
            return Ok(None);
        }
        let before = before_sequence.unwrap_or(u64::MAX);
        let entries = state.entries_of(id).rev().filter(|entry| entry.sequence < before);
        let outcomes = entries.map(|entry| Outcome { account: id.clone(), entry: entry.clone() });
        Ok(Some(outcomes.take(limit.min(MAX_STATEMENT_LIMIT)).collect()))
    }

    async fn progress(&self) -> Result<Vec<(Partition, (Generation, Offset))>, StoreError> {
        let state = self.books.readable()?;
        Ok(state.fences.values().map(|fence| (fence.partition, (fence.generation, fence.next_offset))).collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.books.readable().map(drop)
    }
}
