//! `dead_letters`: records that nobody could read, with their bytes.
//!
//! ```text
//! { _id: "000g…", topic, partition, offset, recorded_at, key, value, account, accepted_as: "000g…", why }
//! ```
//!
//! `_id` is the position where it stands; `accepted_as`, where its client was told another, is that one.

use ledger::Position;

use super::fields::{Fields, Malformed};
use super::writer::DocumentWriter;
use crate::batch::DeadLetter;

pub(crate) fn write_dead_letter(
    document: &mut DocumentWriter<'_>,
    topic: &str,
    position: Position,
    letter: &DeadLetter,
) {
    document.text("_id", &position.to_string()).text("topic", topic);
    document.small_number("partition", position.partition().into()).count("offset", letter.offset);
    document.time("recorded_at", letter.recorded_at);
    for (name, bytes) in [("key", &letter.key), ("value", &letter.value)] {
        if let Some(bytes) = bytes {
            document.binary(name, bytes);
        }
    }
    if let Some(account) = &letter.account {
        document.text("account", account.as_str());
    }
    if let Some(position) = letter.accepted_as {
        document.text("accepted_as", &position.to_string());
    }
    document.text("why", &letter.why);
}

pub(crate) fn read_dead_letter(fields: Fields<'_>) -> Result<(Position, DeadLetter), Malformed> {
    let bytes = |name| Ok::<_, Malformed>(fields.optional_binary(name)?.map(<[u8]>::to_vec));
    let letter = DeadLetter {
        offset: fields.count("offset")?,
        recorded_at: fields.time("recorded_at")?,
        key: bytes("key")?,
        value: bytes("value")?,
        account: fields.optional_parsed("account")?,
        accepted_as: fields.optional_parsed("accepted_as")?,
        why: fields.text("why")?.to_owned(),
    };
    Ok((fields.parsed("_id")?, letter))
}
