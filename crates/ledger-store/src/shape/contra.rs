//! The contra accounts, in `accounts` among the others: balance and postings, no pages.
//!
//! ```text
//! { _id: "@world.EUR.3", currency, partition, balance, postings, updated_at }
//! ```
//!
//! The balance is a decimal of 34 digits, so that a sum over all accounts of a currency can be made in MongoDB itself.

use ledger::{ContraAccount, Timestamp};

use super::fields::{Fields, Malformed};
use super::writer::DocumentWriter;

pub(crate) fn read_contra(fields: Fields<'_>) -> Result<ContraAccount, Malformed> {
    Ok(ContraAccount {
        id: fields.parsed("_id")?,
        balance: fields.decimal("balance")?,
        postings: fields.count("postings")?,
    })
}

/// The write of an `update` that brings a contra account up to date, new or not.
///
/// # Errors
/// When the balance has more digits than a decimal takes, which 2^60 of the largest deposits would have to come to.
pub(crate) fn write_contra_update(
    write: &mut DocumentWriter<'_>,
    contra: &ContraAccount,
    settled_at: Timestamp,
) -> Result<(), Malformed> {
    let balance = contra.balance.to_string().parse();
    let balance = balance.map_err(|_| Malformed(format!("`balance` is {}, which is too large", contra.balance)))?;
    write.document("q").text("_id", &contra.id.to_string());
    {
        let mut update = write.document("u");
        let mut set = update.document("$set");
        set.text("currency", contra.id.currency.code()).small_number("partition", contra.id.partition.into());
        set.decimal("balance", balance).count("postings", contra.postings).time("updated_at", settled_at);
    }
    write.flag("upsert", true);
    Ok(())
}
