//! The store in memory, for fast tests of what stands on it. The same rules, the same answers, nothing durable.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger::{
    Account, AccountId, Book, Command, ContraAccount, ContraId, Entry, Generation, IdempotencyKey, KnownKey, Offset,
    Outcome, Partition, Policy, Position, Timestamp, TransactionId, settle,
};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::batch::{Applied, AppliedOutcome, DeadLetter, LogRecord, PartitionBatch};
use crate::capability::{AccountView, Lookup, MAX_STATEMENT_LIMIT, Reading, Settling};
use crate::error::{ApplyError, ApplyFailure, GenerationError, StoreError};
use crate::fence::{Continuation, Fence, judge};
use crate::generation::check_may_begin;
use crate::hold_search::HoldSearch;

/// Cheap to clone; clones share their books.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    books: Arc<Mutex<Books>>,
    applied: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Books {
    policy: Policy,
    fences: BTreeMap<Partition, Fence>,
    accounts: BTreeMap<AccountId, Kept>,
    contra: BTreeMap<ContraId, ContraAccount>,
    keys: HashMap<(AccountId, IdempotencyKey), KnownKey>,
    unbooked: HashMap<Position, Outcome>,
    dead_letters: HashMap<Position, DeadLetter>,
    read_error: Option<StoreError>,
}

#[derive(Debug)]
struct Kept {
    account: Account,
    entries: Vec<Entry>,
    updated_at: Timestamp,
}

impl MemoryStore {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on every read fails so; or succeeds again.
    pub fn fail_reads(&self, error: Option<StoreError>) {
        self.books().read_error = error;
    }

    /// The books, for a read.
    fn readable(&self) -> Result<MutexGuard<'_, Books>, StoreError> {
        let books = self.books();
        books.read_error.clone().map_or(Ok(books), Err)
    }

    /// The fence of every partition that has one.
    pub fn fences(&self) -> Vec<Fence> {
        self.books().fences.values().cloned().collect()
    }

    /// Begins a generation, as [`Store::begin_generation`](crate::Store::begin_generation) does.
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
        let mut books = self.books();
        let fences: Vec<Fence> = books.fences.values().cloned().collect();
        check_may_begin(topic, partitions, generation, &fences)?;
        let all = (0..partitions).chain(fences.iter().map(|fence| fence.partition));
        books.fences =
            all.map(|partition| (partition, Fence::at_beginning(topic, partition, generation, began_at))).collect();
        Ok(())
    }
}

impl Settling for MemoryStore {
    async fn apply(
        &self,
        batch: PartitionBatch,
        settled_at: Timestamp,
        _deadline: Instant,
    ) -> Result<Vec<AppliedOutcome>, ApplyError> {
        if batch.records.is_empty() {
            return Ok(Vec::new());
        }
        let applied = self.books().apply(&batch, settled_at).map_err(|failure| ApplyError {
            offset: batch.records.first().map_or(0, LogRecord::offset),
            topic: batch.topic,
            partition: batch.partition,
            failure,
        });
        self.applied.notify_waiters();
        applied
    }
}

impl Reading for MemoryStore {
    async fn transaction(&self, id: &TransactionId) -> Result<Lookup, StoreError> {
        Ok(self.readable()?.look_up(id))
    }

    async fn await_outcome(&self, id: &TransactionId, until: Instant) -> Result<Lookup, StoreError> {
        loop {
            // Registered before looking, so that what is applied in between wakes it.
            let applied = self.applied.notified();
            let lookup = self.readable()?.look_up(id);
            if lookup != Lookup::Accepted || timeout_at(until, applied).await.is_err() {
                return Ok(lookup);
            }
        }
    }

    async fn account(&self, id: &AccountId) -> Result<Option<AccountView>, StoreError> {
        let books = self.readable()?;
        let kept = books.accounts.get(id);
        Ok(kept.map(|kept| AccountView { account: kept.account.clone(), updated_at: kept.updated_at }))
    }

    async fn statement(
        &self,
        id: &AccountId,
        before_sequence: Option<u64>,
        limit: usize,
    ) -> Result<Option<Vec<Outcome>>, StoreError> {
        let books = self.readable()?;
        let Some(kept) = books.accounts.get(id) else { return Ok(None) };
        let before = before_sequence.unwrap_or(u64::MAX);
        let entries = kept.entries.iter().rev().filter(|entry| entry.sequence < before);
        let outcomes = entries.map(|entry| Outcome { account: id.clone(), entry: entry.clone() });
        Ok(Some(outcomes.take(limit.min(MAX_STATEMENT_LIMIT)).collect()))
    }

    async fn progress(&self) -> Result<Vec<(Partition, (Generation, Offset))>, StoreError> {
        let books = self.readable()?;
        Ok(books.fences.values().map(|fence| (fence.partition, (fence.generation, fence.next_offset))).collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.readable().map(drop)
    }
}

impl Books {
    fn apply(&mut self, batch: &PartitionBatch, settled_at: Timestamp) -> Result<Vec<AppliedOutcome>, ApplyFailure> {
        let continuation = judge(self.fences.get(&batch.partition), batch.partition, &batch.records)?;
        let (before, new) = batch.records.split_at(continuation.redelivered);
        let mut applied = self.read_back(batch, before, &continuation)?;
        if !new.is_empty() {
            applied.extend(self.settle(batch, new, &continuation, settled_at)?);
            for (position, letter) in batch.dead_letters(new, continuation.generation) {
                self.dead_letters.insert(position, letter.clone());
            }
            let mut fence = Fence::at_end_of(&batch.topic, batch.partition, &batch.records);
            fence.generation = continuation.generation;
            fence.last_recorded_at = fence.last_recorded_at.max(continuation.clock);
            fence.began_at = self.fences.get(&batch.partition).and_then(|fence| fence.began_at);
            self.fences.insert(batch.partition, fence);
        }
        Ok(applied)
    }

    fn settle(
        &mut self,
        batch: &PartitionBatch,
        records: &[LogRecord],
        continuation: &Continuation,
        settled_at: Timestamp,
    ) -> Result<Vec<AppliedOutcome>, ApplyFailure> {
        let commands: Vec<&Command> = records.iter().filter_map(LogRecord::command).collect();
        let mut book = self.open(batch.partition, &commands, continuation.clock, settled_at);
        let outcomes = settle(&mut book, commands.into_iter().cloned());
        let applied = batch.in_order(records, continuation.generation, outcomes)?;
        let changes = book.into_changes();
        for change in changes.accounts {
            let empty = || Kept { account: change.account.clone(), entries: Vec::new(), updated_at: settled_at };
            let kept = self.accounts.entry(change.account.id.clone()).or_insert_with(empty);
            kept.account = change.account;
            kept.entries.extend(change.entries);
            kept.updated_at = settled_at;
        }
        self.contra.extend(changes.contra.into_iter().map(|contra| (contra.id, contra)));
        self.keys.extend(changes.keys.into_iter().map(|(account, key, known)| ((account, key), known)));
        let unbooked = applied.iter().filter_map(AppliedOutcome::unbooked);
        self.unbooked.extend(unbooked.map(|outcome| (outcome.entry.position, outcome.clone())));
        Ok(applied)
    }

    fn open(&self, partition: Partition, commands: &[&Command], clock: Timestamp, settled_at: Timestamp) -> Book {
        let mut book = Book::new(self.policy, partition, clock, settled_at);
        for contra in self.contra.values().filter(|contra| contra.id.partition == partition) {
            book.add_contra(contra.clone());
        }
        let mut holds = HoldSearch::default();
        for command in commands {
            if let Some(idempotency) = &command.idempotency {
                let place = (command.account.clone(), idempotency.key.clone());
                if let Some(known) = self.keys.get(&place).copied() {
                    book.add_key(place.0, place.1, known);
                }
            }
            let Some(kept) = self.accounts.get(&command.account) else { continue };
            book.add_account(kept.account.clone());
            if let Some(request) = command.action.request().filter(|request| !kept.account.has_open_hold(*request)) {
                holds.add(&command.account, &[request]);
                holds.look_through(&command.account, &kept.entries);
            }
        }
        holds.tell(&mut book);
        book
    }

    fn read_back(
        &self,
        batch: &PartitionBatch,
        records: &[LogRecord],
        continuation: &Continuation,
    ) -> Result<Vec<AppliedOutcome>, ApplyFailure> {
        let read = |record: &LogRecord| {
            let position = batch.position_of(record, continuation.generation);
            let id = batch.id_of(record, continuation.generation);
            let settled = id.and_then(|id| self.find(&id)).map(Applied::Settled);
            let applied = settled.or_else(|| self.dead_letters.get(&position).cloned().map(Applied::Unreadable));
            let applied = applied.ok_or(ApplyFailure::OutcomeMissing(position))?;
            Ok(AppliedOutcome { position, applied, redelivered: true })
        };
        records.iter().map(read).collect()
    }

    fn find(&self, id: &TransactionId) -> Option<Outcome> {
        let entries = self.accounts.get(&id.account).map_or(&[][..], |kept| kept.entries.as_slice());
        let booked = entries.iter().find(|entry| entry.position == id.position);
        let outcome = booked.map(|entry| Outcome { account: id.account.clone(), entry: entry.clone() });
        outcome.or_else(|| self.unbooked.get(&id.position).filter(|outcome| outcome.account == id.account).cloned())
    }

    fn look_up(&self, id: &TransactionId) -> Lookup {
        let position = id.position;
        let has_passed = self
            .fences
            .get(&position.partition())
            .is_some_and(|fence| (position.generation(), position.offset()) < (fence.generation, fence.next_offset));
        if !has_passed {
            return Lookup::Accepted;
        }
        let letter = || self.dead_letters.iter().find(|(position, letter)| letter.id(**position).as_ref() == Some(id));
        match (self.find(id), letter()) {
            (Some(outcome), _) => Lookup::Settled(outcome),
            (None, Some((_, letter))) => {
                Lookup::Unreadable { why: letter.why.clone(), recorded_at: letter.recorded_at }
            }
            (None, None) => Lookup::NotFound,
        }
    }
}
