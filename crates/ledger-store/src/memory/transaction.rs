use std::collections::HashSet;
use std::sync::Arc;

use ledger::{AccountId, Entry, IdempotencyKey, KnownKey, Position};
use tokio::time::Instant;

use super::Memory;
use super::state::{State, key_place};
use crate::books::{FoundAccounts, Transaction, WantedAccounts, Work};
use crate::error::StoreError;
use crate::fence::{Fence, FenceMove};
use crate::prefix::{ENTRY, SMALL_ACCOUNT};

/// What an open hold takes of its account, as MongoDB would store it.
const HOLD: usize = 100;

/// A transaction over books in memory. It reads them as they were when it began. To drop it gives it up.
#[derive(Debug)]
pub struct MemoryTransaction {
    memory: Memory,
    state: Arc<State>,
    /// The commit as of which it reads.
    version: u64,
    moved: Vec<FenceMove>,
    works: Vec<Work>,
}

impl MemoryTransaction {
    pub(super) fn begin(memory: Memory) -> Self {
        let (state, version) = {
            let shelf = memory.shelf();
            (Arc::clone(&shelf.state), shelf.version)
        };
        Self { memory, state, version, moved: Vec::new(), works: Vec::new() }
    }

    fn let_go(&mut self) {
        for moved in self.moved.drain(..) {
            self.memory.shelf().moving.retain(|moving| *moving != moved.partition);
        }
    }

    fn move_fence(&mut self, to: &FenceMove) -> Result<Option<Fence>, StoreError> {
        let before = self.state.fences.get(&to.partition).cloned().or_else(|| {
            self.state.begun_fence(&to.topic).map(|sibling| Fence::of_added_partition(to.partition, sibling))
        });
        {
            let mut shelf = self.memory.shelf();
            // Only the marks of what is published change a fence beside the transactions; those do not conflict here.
            let place = |fence: &Fence| (fence.generation, fence.next_offset);
            let is_as_read =
                shelf.state.fences.get(&to.partition).map(place) == self.state.fences.get(&to.partition).map(place);
            if shelf.moving.contains(&to.partition) || !is_as_read {
                return Err(conflict(format_args!("the fence of partition {}", to.partition)));
            }
            shelf.moving.push(to.partition);
        }
        self.moved.push(to.clone());
        Ok(before)
    }

    /// The first account that it writes and another commit has written since it began.
    fn overtaken(&self, state: &State) -> Option<&AccountId> {
        let written_since = |id: &&AccountId| state.accounts.get(*id).is_some_and(|kept| kept.version > self.version);
        self.works.iter().flat_map(|work| &work.changes.accounts).map(|change| &change.after.id).find(written_since)
    }
}

impl Drop for MemoryTransaction {
    fn drop(&mut self) {
        self.let_go();
    }
}

fn conflict(what: impl std::fmt::Display) -> StoreError {
    StoreError::Conflict(format!("{what} is being written by another transaction, or has been since this one began"))
}

impl Transaction for MemoryTransaction {
    async fn move_fences(&mut self, moves: &[FenceMove]) -> Result<Vec<Option<Fence>>, StoreError> {
        moves.iter().map(|to| self.move_fence(to)).collect()
    }

    async fn read_accounts(&mut self, wanted: &WantedAccounts, most_bytes: usize) -> Result<FoundAccounts, StoreError> {
        let mut found = FoundAccounts::default();
        for kept in wanted.accounts.iter().filter_map(|id| self.state.accounts.get(id)) {
            let open_page = wanted.with_pages.then(|| kept.open_page.clone());
            let entries = open_page.as_ref().map_or(0, Vec::len);
            found.count(SMALL_ACCOUNT + kept.account.holds.len() * HOLD + entries * ENTRY, most_bytes)?;
            found.accounts.push((kept.account.clone(), open_page));
        }
        found.contra = wanted.contra.iter().filter_map(|id| self.state.contra.get(id)).cloned().collect();
        Ok(found)
    }

    async fn read_open_pages(&mut self, accounts: &[AccountId]) -> Result<Vec<(AccountId, Vec<Entry>)>, StoreError> {
        let open = |id: &AccountId| Some((id.clone(), self.state.accounts.get(id)?.open_page.clone()));
        Ok(accounts.iter().filter_map(open).collect())
    }

    async fn read_ends_of_holds(&mut self, holds: &[Position]) -> Result<Vec<(AccountId, Vec<Entry>)>, StoreError> {
        let holds: HashSet<&Position> = holds.iter().collect();
        let ends_one = |entry: &Entry| entry.ended_holds().any(|(request, _)| holds.contains(&request));
        let pages = self.state.pages.values().filter(|page| page.entries.iter().any(ends_one));
        Ok(pages.map(|page| (page.account.clone(), page.entries.clone())).collect())
    }

    async fn read_keys(
        &mut self,
        keys: &[(AccountId, IdempotencyKey)],
    ) -> Result<Vec<(AccountId, IdempotencyKey, KnownKey)>, StoreError> {
        let known = |(account, key): &(AccountId, IdempotencyKey)| {
            let known = self.state.keys.get(&key_place(account, key))?;
            Some((account.clone(), key.clone(), *known))
        };
        Ok(keys.iter().filter_map(known).collect())
    }

    async fn write(&mut self, works: &[Work]) -> Result<(), StoreError> {
        self.works = works.to_vec();
        Ok(())
    }

    async fn commit(&mut self, _until: Instant) -> Result<(), StoreError> {
        {
            let mut shelf = self.memory.shelf();
            if let Some(id) = self.overtaken(&shelf.state) {
                return Err(conflict(id));
            }
            shelf.version += 1;
            let version = shelf.version;
            let state = Arc::make_mut(&mut shelf.state);
            self.moved.iter().for_each(|moved| state.move_fence(moved));
            self.works.iter().for_each(|work| state.write(work, version));
        }
        self.let_go();
        self.memory.applied.notify_waiters();
        Ok(())
    }

    async fn abort(&mut self) {
        self.let_go();
    }
}
