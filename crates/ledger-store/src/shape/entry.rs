//! An entry, as it stands in the open page and in `pages`. Its sequence number is that of its place.

use ledger::{Amount, Entry, EntryStatus, Kind, Money, Refusal};

use super::fields::{Fields, Malformed};
use super::writer::DocumentWriter;

pub(crate) fn write_entry(document: &mut DocumentWriter<'_>, entry: &Entry) {
    document.text("position", &entry.position.to_string()).text("kind", entry.kind.name());
    write_status(document, entry.status);
    if let Some(money) = entry.money {
        document.number("amount", money.amount.minor_units()).text("currency", money.currency.code());
    }
    if let Some(request) = entry.request {
        document.text("request", &request.to_string());
    }
    if let Some(remaining) = entry.remaining {
        document.number("remaining", remaining);
    }
    if let Some(expires_at) = entry.expires_at {
        document.time("expires_at", expires_at);
    }
    if let Some(reference) = &entry.reference {
        document.text("reference", reference.as_str());
    }
    document.number("balance", entry.balance);
    if entry.held != 0 {
        document.number("held", entry.held);
    }
    if Some(entry.available) != entry.balance.checked_sub(entry.held) {
        document.number("available", entry.available);
    }
    document.time("recorded_at", entry.recorded_at).time("settled_at", entry.settled_at);
}

fn write_status(document: &mut DocumentWriter<'_>, status: EntryStatus) {
    match status {
        EntryStatus::Posted => {}
        EntryStatus::Refused(refusal) => {
            document.text("status", status.name()).text("reason", refusal.reason());
            if let Some(fact) = refusal.fact() {
                document.text("fact", &fact);
            }
        }
        EntryStatus::Replayed { original } => {
            document.text("status", status.name()).text("original", &original.to_string());
        }
    }
}

pub(crate) fn read_entry(fields: Fields<'_>, sequence: u64) -> Result<Entry, Malformed> {
    let kind = fields.text("kind")?;
    let balance = fields.number("balance")?;
    let held = fields.optional_number("held")?.unwrap_or(0);
    Ok(Entry {
        position: fields.parsed("position")?,
        sequence,
        kind: Kind::from_name(kind).ok_or_else(|| Malformed(format!("`kind` is {kind:?}, which cannot be")))?,
        status: read_status(fields)?,
        money: read_money(fields)?,
        request: fields.optional_parsed("request")?,
        remaining: fields.optional_number("remaining")?,
        expires_at: fields.optional_time("expires_at")?,
        reference: fields.optional_parsed("reference")?,
        balance,
        held,
        available: fields.optional_number("available")?.unwrap_or(balance.saturating_sub(held)),
        recorded_at: fields.time("recorded_at")?,
        settled_at: fields.time("settled_at")?,
    })
}

/// The entries of `field`, which carry the sequence numbers from `first_sequence` on.
pub(crate) fn read_entries(fields: Fields<'_>, field: &str, first_sequence: u64) -> Result<Vec<Entry>, Malformed> {
    fields.documents(field)?.zip(first_sequence..).map(|(entry, sequence)| read_entry(entry?, sequence)).collect()
}

fn read_status(fields: Fields<'_>) -> Result<EntryStatus, Malformed> {
    match fields.optional_text("status")? {
        None => Ok(EntryStatus::Posted),
        Some("replayed") => Ok(EntryStatus::Replayed { original: fields.parsed("original")? }),
        Some("refused") => {
            let (reason, fact) = (fields.text("reason")?, fields.optional_text("fact")?);
            Refusal::from_parts(reason, fact)
                .map(EntryStatus::Refused)
                .ok_or_else(|| Malformed(format!("the refusal {reason:?} with the fact {fact:?} cannot be")))
        }
        Some(other) => Err(Malformed(format!("`status` is {other:?}, which cannot be"))),
    }
}

fn read_money(fields: Fields<'_>) -> Result<Option<Money>, Malformed> {
    let Some(amount) = fields.optional_number("amount")? else { return Ok(None) };
    let amount = Amount::from_books(amount).map_err(|_| Malformed(format!("`amount` is {amount}, which cannot be")))?;
    Ok(Some(Money { amount, currency: fields.parsed("currency")? }))
}
