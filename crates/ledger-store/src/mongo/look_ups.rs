//! One read of the outcomes for all whose wait ends at once.
//!
//! A look at the fences ends the waits of everybody whose command was in the batch. Each puts its id on a list, the first
//! of them starts the reading, and by then the others stand on the list; whoever comes while a read is under way is in the
//! next one. Bound: one read at a time, of at most [`MOST_AT_ONCE`] ids.

use std::sync::{Arc, Mutex, PoisonError};

use ledger::TransactionId;
use tokio::sync::oneshot;

use super::Mongo;
use crate::capability::Lookup;
use crate::error::StoreError;

/// Each brings at most one open page.
const MOST_AT_ONCE: usize = 256;

type Answer = oneshot::Sender<Result<Lookup, StoreError>>;

/// Cheap to clone; clones read together.
#[derive(Debug, Clone, Default)]
pub(super) struct LookUps(Arc<Mutex<Asked>>);

#[derive(Debug, Default)]
struct Asked {
    waiting: Vec<(TransactionId, Answer)>,
    is_reading: bool,
}

impl LookUps {
    /// What became of a command whose partition's fence is known to have passed it.
    pub(super) async fn look_up(&self, store: &Mongo, id: &TransactionId) -> Result<Lookup, StoreError> {
        let (answer, answered) = oneshot::channel();
        if self.ask(id.clone(), answer) {
            tokio::spawn(self.clone().read_what_is_asked(store.clone()));
        }
        match answered.await {
            Ok(found) => found,
            // The reading ended with its runtime, or panicked.
            Err(_) => store.look_up_passed(id).await,
        }
    }

    /// Whether the reading has to be started.
    fn ask(&self, id: TransactionId, answer: Answer) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.waiting.push((id, answer));
        !std::mem::replace(&mut asked.is_reading, true)
    }

    async fn read_what_is_asked(self, store: Mongo) {
        while let Some(asked) = self.next() {
            let (ids, answers): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
            let found = store.look_up_all_passed(&ids).await;
            for (index, answer) in answers.into_iter().enumerate() {
                // Whoever asked may have gone.
                drop(answer.send(found.as_ref().map(|found| found[index].clone()).map_err(Clone::clone)));
            }
        }
    }

    /// The next ids to read; nothing, and the reading is over, where nobody asks any more.
    fn next(&self) -> Option<Vec<(TransactionId, Answer)>> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Who has given up need not be read for.
        asked.waiting.retain(|(_, answer)| !answer.is_closed());
        if asked.waiting.is_empty() {
            asked.is_reading = false;
            return None;
        }
        let many = asked.waiting.len().min(MOST_AT_ONCE);
        Some(asked.waiting.drain(..many).collect())
    }
}
