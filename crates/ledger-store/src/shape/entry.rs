//! An entry, as it stands in the open page and in `pages`. Its sequence number is that of its place.
//!
//! ```text
//! { position, kind, status, reason, fact, original, amount, currency, expires_in_seconds, expires_at, request, final,
//!   remaining, released, expired: [{ request, released, at }], reference, balance, held, available, recorded_at, settled_at }
//! ```
//!
//! Each kind has the fields of its own facts. A field that says what its absence says too is left out, which makes an
//! ordinary entry half as large: one without `status` is posted, without `held` holds nothing, without `available` can give
//! out its whole balance, without `expired` found no hold expired; a capture without `final` was not final, one without
//! `remaining` or `released` left or released nothing.

use ledger::{Action, Amount, Balances, Currency, Entry, ExpiredHold, Kind, Line, Money, Position, Refusal, Standing};

use super::fields::{Fields, Malformed};
use super::writer::DocumentWriter;

pub(crate) fn write_entry(document: &mut DocumentWriter<'_>, entry: &Entry) {
    document.text("position", &entry.position.to_string()).text("kind", entry.line.kind().name());
    write_line(document, &entry.line);
    write_expired(document, &entry.expired);
    if let Some(reference) = &entry.reference {
        document.text("reference", reference.as_str());
    }
    let Balances { balance, held, available } = entry.after;
    document.number("balance", balance);
    if held != 0 {
        document.number("held", held);
    }
    if Some(available) != balance.checked_sub(held) {
        document.number("available", available);
    }
    document.time("recorded_at", entry.recorded_at).time("settled_at", entry.settled_at);
}

fn write_line(document: &mut DocumentWriter<'_>, line: &Line) {
    if line.standing() != Standing::Posted {
        document.text("status", line.standing().name());
    }
    match line {
        Line::Refused { refusal, .. } => {
            document.text("reason", refusal.reason());
            if let Some(fact) = refusal.fact() {
                document.text("fact", &fact);
            }
        }
        Line::Replayed { original, .. } => {
            document.text("original", &original.to_string());
        }
        Line::Hold { expires_at, .. } => {
            document.time("expires_at", *expires_at);
        }
        Line::Capture { remaining, released, .. } => {
            write_unless_0(document, "remaining", *remaining);
            write_unless_0(document, "released", *released);
        }
        Line::Release { released, .. } => write_money(document, *released),
        Line::Deposit { .. } | Line::Withdrawal { .. } => {}
    }
    write_action(document, &line.asked());
}

fn write_action(document: &mut DocumentWriter<'_>, asked: &Action) {
    if let Some(money) = asked.money() {
        write_money(document, money);
    }
    if let Some(request) = asked.request() {
        document.text("request", &request.to_string());
    }
    match asked {
        Action::WithdrawalRequest { expires_in_seconds, .. } => {
            document.number("expires_in_seconds", (*expires_in_seconds).into());
        }
        Action::Capture { is_final: true, .. } => {
            document.flag("final", true);
        }
        Action::Capture { .. } | Action::Deposit(_) | Action::Withdrawal(_) | Action::Release { .. } => {}
    }
}

fn write_money(document: &mut DocumentWriter<'_>, money: Money) {
    document.number("amount", money.amount.minor_units()).text("currency", money.currency.code());
}

fn write_unless_0(document: &mut DocumentWriter<'_>, name: &str, number: i64) {
    if number != 0 {
        document.number(name, number);
    }
}

fn write_expired(document: &mut DocumentWriter<'_>, expired: &[ExpiredHold]) {
    if expired.is_empty() {
        return;
    }
    let mut array = document.array("expired");
    for hold in expired {
        let mut document = array.push_document();
        document.text("request", &hold.request.to_string()).number("released", hold.released);
        document.time("at", hold.expired_at);
    }
}

pub(crate) fn read_entry(fields: Fields<'_>, sequence: u64) -> Result<Entry, Malformed> {
    let balance = fields.number("balance")?;
    let held = fields.optional_number("held")?.unwrap_or(0);
    let available = fields.optional_number("available")?.unwrap_or(balance.saturating_sub(held));
    Ok(Entry {
        position: fields.parsed("position")?,
        sequence,
        recorded_at: fields.time("recorded_at")?,
        settled_at: fields.time("settled_at")?,
        reference: fields.optional_parsed("reference")?,
        expired: read_expired(fields)?,
        line: read_line(fields)?,
        after: Balances { balance, held, available },
    })
}

/// The entries of `field`, which carry the sequence numbers from `first_sequence` on.
pub(crate) fn read_entries(fields: Fields<'_>, field: &str, first_sequence: u64) -> Result<Vec<Entry>, Malformed> {
    fields.documents(field)?.zip(first_sequence..).map(|(entry, sequence)| read_entry(entry?, sequence)).collect()
}

fn read_expired(fields: Fields<'_>) -> Result<Vec<ExpiredHold>, Malformed> {
    let hold = |fields: Fields<'_>| {
        Ok(ExpiredHold {
            request: fields.parsed("request")?,
            released: fields.number("released")?,
            expired_at: fields.time("at")?,
        })
    };
    fields.optional_documents("expired")?.map(|document| hold(document?)).collect()
}

fn read_line(fields: Fields<'_>) -> Result<Line, Malformed> {
    let kind = fields.text("kind")?;
    let kind = Kind::from_name(kind).ok_or_else(|| Malformed(format!("`kind` is {kind:?}, which cannot be")))?;
    match fields.optional_text("status")? {
        None => read_posted(fields, kind),
        Some("replayed") => {
            Ok(Line::Replayed { asked: read_action(fields, kind)?, original: fields.parsed("original")? })
        }
        Some("refused") => Ok(Line::Refused { asked: read_action(fields, kind)?, refusal: read_refusal(fields)? }),
        Some(other) => Err(Malformed(format!("`status` is {other:?}, which cannot be"))),
    }
}

fn read_posted(fields: Fields<'_>, kind: Kind) -> Result<Line, Malformed> {
    if kind == Kind::Release {
        return Ok(Line::Release { request: fields.parsed("request")?, released: read_money(fields)? });
    }
    Ok(match read_action(fields, kind)? {
        Action::Deposit(money) => Line::Deposit { money },
        Action::Withdrawal(money) => Line::Withdrawal { money },
        Action::WithdrawalRequest { money, expires_in_seconds } => {
            Line::Hold { money, expires_in_seconds, expires_at: fields.time("expires_at")? }
        }
        Action::Capture { request, money, is_final } => Line::Capture {
            request,
            money,
            is_final,
            remaining: fields.optional_number("remaining")?.unwrap_or(0),
            released: fields.optional_number("released")?.unwrap_or(0),
        },
        Action::Release { request } => Line::Release { request, released: read_money(fields)? },
    })
}

fn read_action(fields: Fields<'_>, kind: Kind) -> Result<Action, Malformed> {
    let request = fields.optional_parsed::<Position>("request")?;
    Ok(match (kind, request) {
        (Kind::Deposit, _) => Action::Deposit(read_money(fields)?),
        (Kind::WithdrawalRequest, _) => Action::WithdrawalRequest {
            money: read_money(fields)?,
            expires_in_seconds: fields.count("expires_in_seconds")?,
        },
        (Kind::Withdrawal, None) => Action::Withdrawal(read_money(fields)?),
        (Kind::Withdrawal, Some(request)) => {
            let is_final = fields.optional_flag("final")?.unwrap_or(false);
            Action::Capture { request, money: read_money(fields)?, is_final }
        }
        (Kind::Release, _) => Action::Release { request: fields.parsed("request")? },
    })
}

fn read_refusal(fields: Fields<'_>) -> Result<Refusal, Malformed> {
    let (reason, fact) = (fields.text("reason")?, fields.optional_text("fact")?);
    Refusal::from_parts(reason, fact)
        .ok_or_else(|| Malformed(format!("the refusal {reason:?} with the fact {fact:?} cannot be")))
}

fn read_money(fields: Fields<'_>) -> Result<Money, Malformed> {
    let amount = fields.number("amount")?;
    let amount = Amount::from_books(amount).map_err(|_| Malformed(format!("`amount` is {amount}, which cannot be")))?;
    Ok(Money { amount, currency: fields.parsed::<Currency>("currency")? })
}
