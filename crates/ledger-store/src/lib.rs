//! Where the books are kept: a passbook per account in MongoDB.
//!
//! The store has two capabilities. [`Settling`] applies batches of the log to the accounts, exactly once;
//! [`Reading`] answers what became of a command and what stands in an account. A [`Store`] applies by one set of rules over
//! [`Books`]: those in MongoDB ([`MongoStore`], a replica set), or those in memory ([`MemoryStore`]) for fast tests and for
//! the simulation; one conformance suite holds the two to the same answers.
//!
//! Collections, each with a module of its own under `shape`: `accounts` (with the contra accounts), `pages`, `keys`,
//! `fences`, `unbooked` (outcomes for accounts that do not exist) and `dead_letters`.
//!
//! Promises: what one transaction applies becomes visible whole or not at all, with the fences that say so; a batch delivered
//! again changes nothing and gets the outcomes of the first time; a log that is not the one applied so far is a fault,
//! never skipped.
//!
//! Bounds: a transaction writes about 4 MB and reads at most 16 MB of accounts, one update per distinct account (its round
//! trips stand in `apply::attempt`); `apply` ends by its deadline; reads hold one page of entries, or as many as were asked for.

mod apply;
mod audit;
mod batch;
mod books;
mod capability;
mod config;
mod error;
mod fence;
mod generation;
mod hold_search;
mod memory;
mod mongo;
mod prefix;
mod shape;
mod spent;
mod store;

pub use audit::{Checked, Difference};
pub use batch::{Applied, AppliedOutcome, Content, DeadLetter, LogRecord, PartitionBatch, Published, Report};
pub use books::{Books, FoundAccounts, Transaction, WantedAccounts, Work};
pub use capability::{AccountView, Lookup, MAX_STATEMENT_LIMIT, Progress, Reading, Settling};
pub use config::StoreConfig;
pub use error::{ApplyError, ApplyFailure, GenerationError, StoreError};
pub use fence::{EarlierGeneration, Fence, FenceFault, FenceMove};
pub use memory::{Memory, MemoryStore, MemoryTransaction};
pub use mongo::{Mongo, MongoStore, MongoTransaction};
pub use spent::{Spent, Step};
pub use store::{Store, Terms};
