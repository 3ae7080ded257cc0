//! The contra accounts, in `accounts` among the others: balance and postings, no pages.
//!
//! ```text
//! { _id: "@world.EUR.3", currency, partition, balance, postings, updated_at }
//! ```

use ledger::{ContraAccount, Timestamp};

use super::fields::{Fields, Malformed};
use super::writer::DocumentWriter;

pub(crate) fn read_contra(fields: Fields<'_>) -> Result<ContraAccount, Malformed> {
    Ok(ContraAccount {
        id: fields.parsed("_id")?,
        balance: fields.number("balance")?,
        postings: fields.count("postings")?,
    })
}

/// The statement of an `update` command that writes a contra account, new or not.
pub(crate) fn write_contra_update(statement: &mut DocumentWriter<'_>, contra: &ContraAccount, settled_at: Timestamp) {
    let id = contra.id.to_string();
    statement.document("q").text("_id", &id);
    {
        let mut update = statement.document("u");
        let mut set = update.document("$set");
        set.text("currency", contra.id.currency.code()).small_number("partition", contra.id.partition.into());
        set.number("balance", contra.balance).count("postings", contra.postings).time("updated_at", settled_at);
    }
    statement.flag("upsert", true);
}
