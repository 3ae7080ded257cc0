//! A store: the rules of applying, over books that are kept somewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ledger::{Partition, Policy, Timestamp};
use tokio::time::Instant;

use crate::batch::{PartitionBatch, Published, Report};
use crate::books::Books;
use crate::capability::Settling;
use crate::error::StoreError;
use crate::prefix::PrefixSize;
use crate::spent::{Meter, Spent};

/// The books, with what may be done to them. Cheap to clone; clones share the books.
#[derive(Debug, Clone)]
pub struct Store<B> {
    pub(crate) books: B,
    pub(crate) terms: Terms,
    pub(crate) meter: Arc<Meter>,
    sizes: Arc<Mutex<HashMap<Partition, PrefixSize>>>,
}

/// What an operator decides of applying.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    pub policy: Policy,
    /// Whether records may be stamped by their writers, where the broker does not do it.
    pub accepts_writers_time: bool,
}

impl<B> Store<B> {
    pub fn new(books: B, terms: Terms) -> Self {
        Self::metered(books, terms, Arc::default())
    }

    pub(crate) fn metered(books: B, terms: Terms, meter: Arc<Meter>) -> Self {
        Self { books, terms, meter, sizes: Arc::default() }
    }

    pub fn books(&self) -> &B {
        &self.books
    }

    /// Time spent in [`apply`](Settling::apply) since the store was made.
    pub fn spent(&self) -> Spent {
        self.meter.read()
    }

    /// The size of a partition's prefixes, as experience has it.
    pub(crate) fn prefix_size(&self, partition: Partition) -> PrefixSize {
        let sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        sizes.get(&partition).copied().unwrap_or_default()
    }

    pub(crate) fn resize(&self, partition: Partition, change: impl FnOnce(&mut PrefixSize)) {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        change(sizes.entry(partition).or_default());
    }
}

impl<B: Books> Settling for Store<B> {
    async fn apply(&self, batch: PartitionBatch, settled_at: Timestamp, deadline: Instant) -> Report {
        self.apply_until(batch, settled_at, deadline).await
    }

    async fn apply_together(
        &self,
        batches: Vec<PartitionBatch>,
        settled_at: Timestamp,
        deadline: Instant,
    ) -> Result<Vec<Report>, Vec<PartitionBatch>> {
        self.apply_together_until(batches, settled_at, deadline).await
    }

    async fn mark_published(&self, marks: &[Published]) -> Result<(), StoreError> {
        self.books.mark_published(marks).await
    }
}
