//! Bytes to types and back: HTTP bodies, records of the log, outcomes.
//!
//! Nothing here does I/O. Which fields a command has, and what they may say, is told once, by the [`grammar`]. By it the
//! body of a request becomes a [`NewCommand`], which the [`record`] of it in the log is written from and read back to; what
//! is wrong is a [`FieldFault`] that names the field and the fix. What a client or a consumer of outcomes reads is in
//! [`answer`]. Errors of HTTP are [`Problem`]s (RFC 9457). Reasons made of what was sent are bounded ([`reason`]).

pub mod answer;
mod fault;
pub mod grammar;
mod named_account;
mod new_command;
pub mod problem;
pub mod reason;
pub mod record;
mod said;

pub use fault::FieldFault;
pub use named_account::named_account;
pub use new_command::NewCommand;
pub use problem::Problem;
