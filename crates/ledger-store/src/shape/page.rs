//! `pages`: full pages, turned over, never changed again.
//!
//! ```text
//! { _id: { account: "alice", number: 7 }, first: "alice.000g…", others: ["alice.…", …], holds: ["000g…", …],
//!   first_sequence, last_sequence, from, to, opening_balance, entries: [entry, …], head }
//! ```
//!
//! `first` is the id of the first entry, by which the page of any entry is found: within one partition of one
//! generation, an account's entries stand in the order of the log. Where a page has entries of several (the topic got
//! more partitions, or was created anew), `others` has the first id of each further one. `holds` names the holds
//! that ended in the page; most pages have none, and no entry in that index.

use std::collections::BTreeSet;

use ledger::{AccountId, Entry, Generation, Page, Partition, Position, TransactionId};
use mongodb::bson::{Document, doc};

use super::account::write_entries;
use super::entry::read_entries;
use super::fields::{Fields, Malformed};
use super::writer::DocumentWriter;

pub(crate) fn page_id(account: &AccountId, number: u64) -> Document {
    doc! { "account": account.as_str(), "number": i64::try_from(number).unwrap_or(i64::MAX) }
}

/// The id before which no entry of this account, generation and partition stands.
pub(crate) fn stream_start(account: &AccountId, position: Position) -> TransactionId {
    let start = Position::new(position.generation(), position.partition(), 0).unwrap_or(position);
    TransactionId { account: account.clone(), position: start }
}

pub(crate) fn write_page(document: &mut DocumentWriter<'_>, page: &Page) {
    let (Some(first), Some(last)) = (page.entries.first(), page.entries.last()) else { return };
    {
        let mut id = document.document("_id");
        id.text("account", page.account.as_str()).count("number", page.number);
    }
    let id = |position| TransactionId { account: page.account.clone(), position }.to_string();
    document.text("first", &id(first.position));
    write_texts(document, "others", firsts_of_other_streams(&page.entries).into_iter().map(id));
    write_texts(document, "holds", holds_ended(&page.entries).iter().map(Position::to_string));
    document.count("first_sequence", first.sequence).count("last_sequence", last.sequence);
    document.time("from", first.recorded_at).time("to", last.recorded_at);
    document.number("opening_balance", first.after.balance - first.line.change().balance);
    document.binary("head", &page.head);
    write_entries(document.array("entries"), &page.entries);
}

fn write_texts(document: &mut DocumentWriter<'_>, name: &str, texts: impl ExactSizeIterator<Item = String>) {
    if texts.len() > 0 {
        let mut array = document.array(name);
        texts.for_each(|text| array.push_text(&text));
    }
}

fn firsts_of_other_streams(entries: &[Entry]) -> Vec<Position> {
    let mut seen: Vec<(Generation, Partition)> = Vec::new();
    let mut firsts = Vec::new();
    for position in entries.iter().map(|entry| entry.position) {
        let stream = (position.generation(), position.partition());
        if !seen.contains(&stream) {
            seen.push(stream);
            firsts.push(position);
        }
    }
    firsts.split_off(1.min(firsts.len()))
}

fn holds_ended(entries: &[Entry]) -> BTreeSet<Position> {
    entries.iter().flat_map(Entry::ended_holds).map(|(request, _)| request).collect()
}

pub(crate) fn read_page(fields: Fields<'_>) -> Result<Page, Malformed> {
    let id = fields.document("_id")?;
    Ok(Page {
        account: id.parsed("account")?,
        number: id.count("number")?,
        entries: read_entries(fields, "entries", fields.count("first_sequence")?)?,
        head: fields.digest("head")?,
    })
}
