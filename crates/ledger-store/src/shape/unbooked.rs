//! `unbooked`: outcomes that stand in no book, since there is no account.
//!
//! ```text
//! { _id: "nobody.000g…", entry }
//! ```

use ledger::{Outcome, TransactionId};

use super::entry::{read_entry, write_entry};
use super::fields::{Fields, Malformed};
use super::writer::DocumentWriter;

pub(crate) fn write_unbooked(document: &mut DocumentWriter<'_>, outcome: &Outcome) {
    document.text("_id", &outcome.id().to_string());
    write_entry(&mut document.document("entry"), &outcome.entry);
}

pub(crate) fn read_unbooked(fields: Fields<'_>) -> Result<Outcome, Malformed> {
    let id: TransactionId = fields.parsed("_id")?;
    Ok(Outcome { account: id.account, entry: read_entry(fields.document("entry")?, 0)? })
}
