//! One suite over both stores, and what only MongoDB can show.
//!
//! Needs a real replica set: `PASSBOOK_TEST_MONGODB=mongodb://127.0.0.1:27017 cargo test --release -p ledger-store`.
//! Each test works in a database of its own and drops it.

#![expect(clippy::unwrap_used, reason = "in a test that is how a failure shows, in its helpers too")]

mod books;
mod check;
mod concurrency;
mod fence;
mod generation;
mod harness;
mod holds;
mod log;
mod lookup;
mod pages;
mod placement;
mod property;
mod rejection;
mod server;
mod together;
mod waiting;
