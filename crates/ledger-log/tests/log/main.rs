//! The log against its adapters: in memory, Apache Kafka, and the embedded broker (tansu).
//!
//! `PASSBOOK_TEST_KAFKA` and `PASSBOOK_TEST_TANSU` name a running one of each as host:port. The tests delete and create
//! the ledger's topics there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod broker;
mod conformance;
mod mock;
mod outages;
mod outlived;
mod publishing;
mod recreated;
mod stretches;
mod topics;
