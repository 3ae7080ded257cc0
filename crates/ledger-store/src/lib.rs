//! Where the books are kept: a passbook per account in MongoDB.
//!
//! The store has two capabilities. [`Settling`] applies one partition's batch of the log to the accounts, exactly once;
//! [`Reading`] answers what became of a command and what stands in an account. [`Store`] is both on a MongoDB replica
//! set, [`MemoryStore`] is both in memory for fast tests; one conformance suite holds the two to the same answers.
//!
//! Collections, each with a module of its own under `shape`: `accounts` (with the contra accounts), `pages`, `keys`,
//! `fences`, `unbooked` (outcomes for accounts that do not exist) and `dead_letters`.
//!
//! Promises: a batch becomes visible whole or not at all, with the fence that says so; a batch delivered again changes
//! nothing and gets the outcomes of the first time; a log that is not the one applied so far is refused, never skipped.
//!
//! Bounds: a batch costs one update per distinct account and four to twelve round trips, whatever it holds, plus one
//! for each further 12 MB it writes; `apply` ends by its deadline; reads hold one page of entries, or as many as were
//! asked for.

mod audit;
mod batch;
mod capability;
mod config;
mod error;
mod fence;
mod generation;
mod hold_search;
mod memory;
mod mongo;
mod shape;
mod spent;

pub use audit::{Checked, Difference};
pub use batch::{Applied, AppliedOutcome, DeadLetter, LogRecord, PartitionBatch};
pub use capability::{AccountView, Lookup, MAX_STATEMENT_LIMIT, Reading, Settling};
pub use config::{ConfigProblems, StoreConfig};
pub use error::{ApplyError, ApplyFailure, GenerationError, StoreError};
pub use fence::{Fence, FenceRefusal};
pub use memory::MemoryStore;
pub use mongo::Store;
pub use spent::{Spent, Step};
