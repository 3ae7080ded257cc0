//! Drives Passbook from the outside, as a client and an operator would, for the tests in `tests/system`.
//!
//! A [`Stack`] is a whole one, started with the `dev` program in a directory of its own; it is ended when the value goes,
//! and also when the process of the tests is killed ([`guardian`]). What is looked at is what a user sees: HTTP answers
//! ([`Client`]), records of the log ([`Log`]), what `passbook` says ([`operator`]) and the logs ([`logs`]). Nothing here
//! knows the ledger crates, so that a mistake in them cannot hide itself.
//!
//! Nothing sleeps for a fixed time: [`wait_until`] asks for a condition until it holds or a deadline passes.

pub mod ab;
mod client;
mod functions;
mod guardian;
pub mod kafka;
mod kept;
pub mod load;
pub mod logs;
pub mod operator;
pub mod process;
pub mod secured_kafka;
mod sources;
mod stack;
mod status;
mod wait;
mod workspace;

pub use client::{Answer, Client, deposit, withdrawal, withdrawal_request};
pub use functions::{Functions, Told};
pub use kafka::Log;
pub use load::{Load, Tally};
pub use secured_kafka::SecuredKafka;
pub use sources::Sources;
pub use stack::{Options, Stack, kill_what_is_left};
pub use status::{Part, Status};
pub use wait::wait_until;
pub use workspace::{dev_program, release_binary, root};
