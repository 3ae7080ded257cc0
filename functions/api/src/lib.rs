//! The HTTP door of the ledger: decode, check, append, answer; and reads.
//!
//! It decides nothing about money. A command is refused here only when it could not be a command at all; everything else
//! is decided by `settler`, from the log. Bounds: a body of 64 KiB, which is let go before anything is waited for, so 64 KiB
//! for each request that an environment takes at once; a wait of 8 s for three quarters of the requests under way, and of
//! 50 ms for the others; a statement of 500 entries at a time; and an answer within the function's time-out whatever the
//! servers behind do ([`budget`]).
//! Promises: 202 means that every in-sync replica has the command; no answer but a 503 says so of a command that may be in
//! the log all the same.

mod accounts;
mod answers;
mod body;
mod budget;
mod door;
mod event;
mod holds;
mod idempotency_key;
mod preferences;
mod query;
mod readiness;
mod routes;
mod settings;
mod transactions;
mod unsettled;
mod waits;

pub use door::Door;
pub use event::response_of;
pub use settings::Settings;

#[cfg(test)]
mod tests;
