//! A command as a record of the log: versioned JSON, keyed by the account's placement group.
//!
//! ```json
//! {"v":1,"generation":1,"idempotency_key":"…","command":{"type":"deposit","account":"alice","amount":100,"currency":"EUR"}}
//! ```
//!
//! The generation stands in the record, since a partition and an offset mean nothing without it. A record that cannot be
//! read is [`Unreadable`], with the reason; it is set aside, bytes and all, and never blocks its partition.
//!
//! A version is closed. A record is read by the [grammar](crate::grammar) of the HTTP door, and a field that the version does
//! not know makes it unreadable: it was written to mean something, and to leave it out would be to carry out another command
//! than was accepted. So are an array in place of an object, a `null`, a field that is missing though it has a default, and
//! one that stands there twice: the door writes none of these. So a new field, or a new meaning, is a new version, and the program that reads a version has to be there before
//! the one that writes it: deploy `settler` before `api`.

mod envelope;

use std::fmt::Display;

use ledger::{Command, Generation, Idempotency, Offset, Partition, Position, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};

use self::envelope::{Envelope, Written};
use crate::fault::FieldFault;
use crate::grammar::Form;
use crate::new_command::NewCommand;
use crate::reason::cut;

/// The version of the records that this program writes; it reads no other.
pub const VERSION: u16 = 1;

/// Where and when a record stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub partition: Partition,
    pub offset: Offset,
    pub recorded_at: Timestamp,
}

/// Why a record is no command; at most [`crate::reason::LONGEST_REASON`] characters, whatever stands in the record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

impl Unreadable {
    fn new(why: impl Display) -> Self {
        Self(cut(why.to_string()))
    }
}

impl From<FieldFault> for Unreadable {
    fn from(fault: FieldFault) -> Self {
        Self(fault.detail)
    }
}

/// The record's value. Its key is the account's placement group.
pub fn encode(command: &NewCommand, generation: Generation) -> Vec<u8> {
    let idempotency_key = command.idempotency_key.as_ref().map(|key| key.as_str());
    to_json(&Written { v: VERSION, generation, idempotency_key, command: command.said() })
}

/// Reads a record back.
///
/// # Errors
/// [`Unreadable`] for a tombstone, for what is not JSON of this version and of nothing else, for a field or a value that the
/// HTTP door would have refused (a door from before a bound may have let it in), and for a record whose key is not its
/// account's placement group: it would not be in order with the account's other commands. A currency that has been withdrawn since is no
/// reason: the log has to read the same for ever.
pub fn decode(place: Place, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Command, Unreadable> {
    let value = value.ok_or_else(|| Unreadable::new("the record has no value"))?;
    let Envelope { generation, idempotency_key, command } = Envelope::read(value)?;
    let new = NewCommand::read(command, Form::Record)?;
    let group = new.account.group();
    if key != Some(group.as_bytes()) {
        return Err(Unreadable::new(format_args!("the record's key is not its account's placement group, {group}")));
    }
    // What the key stands for: the command alone, wherever and whenever it was recorded.
    let fingerprint = || Sha256::digest(to_json(&new.said())).into();
    let idempotency = idempotency_key.map(|key| Idempotency { key, fingerprint: fingerprint() });
    let position = Position::new(generation, place.partition, place.offset).map_err(Unreadable::new)?;
    let NewCommand { account, action, reference, .. } = new;
    Ok(Command { position, recorded_at: place.recorded_at, account, action, reference, idempotency })
}

#[expect(clippy::expect_used, reason = "plain structs of strings and integers always serialize")]
fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("JSON of plain values")
}

#[cfg(test)]
mod tests;
