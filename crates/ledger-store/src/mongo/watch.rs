//! One look at the fences for everybody who waits for an outcome.
//!
//! While somebody waits, one task reads the fences every few milliseconds and tells all who wait; with nobody waiting
//! there is no task. A waiter subscribes before it makes sure that the task runs, and the task gives up only under the
//! lock under which it is started, so no wake-up is lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ledger::{Generation, Offset, Partition, Position};
use mongodb::Database;
use mongodb::bson::{RawDocumentBuf, doc};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::committed;
use super::read::has_passed;
use super::rows::each;
use crate::error::StoreError;
use crate::shape::{FENCES, read_fence};

/// How long an outcome may stand unnoticed.
const INTERVAL: Duration = Duration::from_millis(10);

/// Cheap to clone; clones watch together.
#[derive(Debug, Clone)]
pub(super) struct FenceWatch(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Database,
    topic: String,
    seen: watch::Sender<Seen>,
    is_running: Mutex<bool>,
}

/// The fences as they were last seen, or why they cannot be.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// How often they have been seen.
    looks: u64,
    fences: HashMap<Partition, (Generation, Offset)>,
    failure: Option<StoreError>,
}

/// What a wait has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    /// The fence has passed the position.
    Passed,
    /// It has not, as was seen while waiting.
    InVain,
    /// The time came before the fences could be looked at.
    Unknown,
}

impl FenceWatch {
    pub(super) fn new(database: Database, topic: String) -> Self {
        Self(Arc::new(Shared { database, topic, seen: watch::Sender::default(), is_running: Mutex::new(false) }))
    }

    /// Waits until a partition's fence has passed a position, or the time has come.
    ///
    /// # Errors
    /// When the time has come and the fences could not be read.
    pub(super) async fn wait(&self, position: Position, until: Instant) -> Result<Waited, StoreError> {
        let mut seen = self.0.seen.subscribe();
        let looks_before = seen.borrow().looks;
        self.run();
        let passes = |seen: &Seen| has_passed(seen.fences.get(&position.partition()).copied(), position);
        if timeout_at(until, seen.wait_for(passes)).await.is_ok() {
            return Ok(Waited::Passed);
        }
        let seen = seen.borrow();
        match &seen.failure {
            Some(failure) => Err(failure.clone()),
            None if seen.looks > looks_before => Ok(Waited::InVain),
            None => Ok(Waited::Unknown),
        }
    }

    fn run(&self) {
        let mut is_running = self.0.is_running.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_running {
            *is_running = true;
            tokio::spawn(Arc::clone(&self.0).look_while_somebody_waits());
        }
    }
}

impl Shared {
    async fn look_while_somebody_waits(self: Arc<Self>) {
        loop {
            match self.look().await {
                Ok(fences) => self.seen.send_modify(|seen| {
                    *seen = Seen { looks: seen.looks + 1, fences, failure: None };
                }),
                Err(failure) => self.seen.send_modify(|seen| seen.failure = Some(failure)),
            }
            sleep(INTERVAL).await;
            let mut is_running = self.is_running.lock().unwrap_or_else(PoisonError::into_inner);
            if self.seen.receiver_count() == 0 {
                *is_running = false;
                return;
            }
        }
    }

    async fn look(&self) -> Result<HashMap<Partition, (Generation, Offset)>, StoreError> {
        let mut fences = HashMap::new();
        let collection = self.database.collection::<RawDocumentBuf>(FENCES);
        let cursor = collection.find(doc! { "topic": &self.topic }).read_concern(committed()).await?;
        each(cursor, FENCES, |fields| {
            let fence = read_fence(fields)?;
            fences.insert(fence.partition, (fence.generation, fence.next_offset));
            Ok(())
        })
        .await?;
        Ok(fences)
    }
}
