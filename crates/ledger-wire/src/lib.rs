//! Bytes to types and back: HTTP bodies, records of the log, outcomes.
//!
//! Nothing here does I/O. What a client sends is read by [`request`], which refuses with a [`FieldFault`] that names the
//! field and the fix. What stands in the log is written and read by [`record`]. What a client or a consumer of outcomes
//! reads is in [`answer`]. Errors of HTTP are [`Problem`]s (RFC 9457).

pub mod answer;
mod fields;
pub mod problem;
pub mod record;
pub mod request;

pub use fields::FieldFault;
pub use problem::Problem;
pub use request::NewCommand;
