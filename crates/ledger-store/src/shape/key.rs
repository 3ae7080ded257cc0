//! `keys`: idempotency keys. Whether one is still remembered, its command's own time decides (`recorded_at`); MongoDB sweeps
//! up long after.
//!
//! ```text
//! { _id: { account: "alice", key: "…" }, fingerprint, position, recorded_at, swept_at }
//! ```

use ledger::{AccountId, IdempotencyKey, KeyChange, KnownKey, Timestamp};
use mongodb::bson::{Document, doc};

use super::fields::{Fields, Malformed};
use super::writer::DocumentWriter;

pub(crate) fn key_id(account: &AccountId, key: &IdempotencyKey) -> Document {
    doc! { "account": account.as_str(), "key": key.as_str() }
}

pub(crate) fn write_key(document: &mut DocumentWriter<'_>, change: &KeyChange, swept_at: Timestamp) {
    write_id(document.document("_id"), change);
    write_known(document, &change.known, swept_at);
}

/// The update that has a key stand for another command.
pub(crate) fn write_key_update(write: &mut DocumentWriter<'_>, change: &KeyChange, swept_at: Timestamp) {
    write_id(write.document("q").document("_id"), change);
    write_known(&mut write.document("u").document("$set"), &change.known, swept_at);
}

fn write_id(mut id: DocumentWriter<'_>, change: &KeyChange) {
    id.text("account", change.account.as_str()).text("key", change.key.as_str());
}

fn write_known(document: &mut DocumentWriter<'_>, known: &KnownKey, swept_at: Timestamp) {
    document.binary("fingerprint", &known.fingerprint).text("position", &known.position.to_string());
    document.time("recorded_at", known.recorded_at).time("swept_at", swept_at);
}

pub(crate) fn read_key(fields: Fields<'_>) -> Result<(AccountId, IdempotencyKey, KnownKey), Malformed> {
    let id = fields.document("_id")?;
    let known = KnownKey {
        fingerprint: fields.digest("fingerprint")?,
        position: fields.parsed("position")?,
        recorded_at: fields.time("recorded_at")?,
    };
    Ok((id.parsed("account")?, id.parsed("key")?, known))
}
