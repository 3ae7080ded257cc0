//! The Lambda function that settles the log: a Kafka event in, money moved, outcomes out.
//!
//! The records of each partition are read as commands and applied in transactions, with the fences that say so: partitions
//! that are small in one, others side by side. Then their outcomes are published to `passbook.outcomes`. Only then are they
//! done, and the fences are told that they are published. What is not done is reported record by record, so that it is
//! delivered again; it holds up neither other partitions nor the records before it.
//!
//! What an event source leaves out (markers of transactions, batches it has given up) is read from the log itself; what an
//! earlier delivery applied and did not publish is published from the log and the books.
//!
//! Promises: every record of the log ends as one outcome, published at least once: a partition delivered again changes
//! nothing and publishes what became of it the first time. A record that nobody can read is set aside and ends as
//! `unreadable`. A log that is not the one applied so far, a document that MongoDB does not take, and records and outcomes
//! that do not go together are an ERROR in this function's log, said again while it lasts, and the partition is settled no
//! further until an operator has looked. What may pass, as a store or a broker that is away, is an ERROR once it has lasted
//! for minutes. What every delivery did is a line of metrics.
//!
//! Bounds: an event (6 MB at most) and what is made of it are held in memory at once, of the accounts what one
//! transaction touches (16 MB at most), and of the log one stretch (16 MB at most). Applying ends early enough to leave
//! time for publishing, and publishing early enough to answer before Lambda ends the function.

mod deadline;
mod event;
mod faults;
mod metrics;
mod partition;
mod response;
mod settler;

pub use deadline::Deadlines;
pub use event::{KafkaEvent, PartitionName, PartitionRecords, Record};
pub use metrics::Metrics;
pub use response::{BatchItemFailure, BatchResponse, ItemIdentifier};
pub use settler::{PUBLISH_TIMEOUT, Settler};
