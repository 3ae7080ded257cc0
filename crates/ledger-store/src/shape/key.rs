//! `keys`: idempotency keys, forgotten by MongoDB when they expire.
//!
//! ```text
//! { _id: { account: "alice", key: "…" }, fingerprint, position, expires_at }
//! ```

use ledger::{AccountId, IdempotencyKey, KnownKey, Timestamp};
use mongodb::bson::{Document, doc};

use super::fields::{Fields, Malformed};
use super::writer::DocumentWriter;

pub(crate) fn key_id(account: &AccountId, key: &IdempotencyKey) -> Document {
    doc! { "account": account.as_str(), "key": key.as_str() }
}

pub(crate) fn write_key(
    document: &mut DocumentWriter<'_>,
    account: &AccountId,
    key: &IdempotencyKey,
    known: &KnownKey,
    expires_at: Timestamp,
) {
    document.document("_id").text("account", account.as_str()).text("key", key.as_str());
    document.binary("fingerprint", &known.fingerprint).text("position", &known.position.to_string());
    document.time("expires_at", expires_at);
}

pub(crate) fn read_key(fields: Fields<'_>) -> Result<(AccountId, IdempotencyKey, KnownKey), Malformed> {
    let id = fields.document("_id")?;
    let known = KnownKey { fingerprint: fields.digest("fingerprint")?, position: fields.parsed("position")? };
    Ok((id.parsed("account")?, id.parsed("key")?, known))
}
