//! lambda-local as a whole: its real program, a real function (`examples/test-function`), real HTTP, real brokers.
//!
//! The Kafka tests take the broker from PASSBOOK_TEST_KAFKA (bootstrap servers; `cargo dev test` sets it) and, when it is
//! set, a second one from PASSBOOK_TEST_TANSU. Every server listens on a free port, every file lives in a temporary folder.

#![expect(clippy::unwrap_used, reason = "in a test, what cannot be had ends the test")]

mod dropping;
mod errors;
mod gateway;
mod invoking;
mod kafka;
mod limits;
mod names;
mod needed;
mod processes;
mod programs;
mod recording;
mod support;
mod urls;
