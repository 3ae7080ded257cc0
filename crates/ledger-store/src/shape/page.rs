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
//! that began or ended in the page; most pages have none, and no entry in that index.

use std::collections::BTreeSet;

use ledger::{AccountId, Digest, Entry, EntryStatus, Generation, Partition, Position, TransactionId, page_number};
use mongodb::bson::{Document, doc};

use super::account::write_entries;
use super::entry::read_entries;
use super::fields::{Fields, Malformed};
use super::writer::DocumentWriter;

/// A full page to be written.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) entries: Vec<&'a Entry>,
    /// The digest of the last entry.
    pub(crate) head: Digest,
}

/// A full page as it was read.
#[derive(Debug)]
pub(crate) struct StoredPage {
    pub(crate) account: AccountId,
    pub(crate) number: u64,
    pub(crate) entries: Vec<Entry>,
    pub(crate) head: Digest,
}

pub(crate) fn page_id(account: &AccountId, number: u64) -> Document {
    doc! { "account": account.as_str(), "number": i64::try_from(number).unwrap_or(i64::MAX) }
}

/// The id before which no entry of this account, generation and partition stands.
pub(crate) fn stream_start(account: &AccountId, position: Position) -> TransactionId {
    let start = Position::new(position.generation(), position.partition(), 0).unwrap_or(position);
    TransactionId { account: account.clone(), position: start }
}

pub(crate) fn write_page(document: &mut DocumentWriter<'_>, page: &Page<'_>) {
    let (Some(first), Some(last)) = (page.entries.first(), page.entries.last()) else { return };
    {
        let mut id = document.document("_id");
        id.text("account", page.account.as_str()).count("number", page_number(first.sequence));
    }
    let id = |position| TransactionId { account: page.account.clone(), position }.to_string();
    document.text("first", &id(first.position));
    write_texts(document, "others", firsts_of_other_streams(&page.entries).into_iter().map(id));
    write_texts(document, "holds", holds_touched(&page.entries).iter().map(Position::to_string));
    document.count("first_sequence", first.sequence).count("last_sequence", last.sequence);
    document.time("from", first.recorded_at).time("to", last.recorded_at);
    document.number("opening_balance", first.balance - first.balance_change());
    document.binary("head", &page.head);
    write_entries(document.array("entries"), page.entries.iter().copied());
}

fn write_texts(document: &mut DocumentWriter<'_>, name: &str, texts: impl ExactSizeIterator<Item = String>) {
    if texts.len() > 0 {
        let mut array = document.array(name);
        texts.for_each(|text| array.push_text(&text));
    }
}

fn firsts_of_other_streams(entries: &[&Entry]) -> Vec<Position> {
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

fn holds_touched(entries: &[&Entry]) -> BTreeSet<Position> {
    entries.iter().filter_map(|entry| began(entry).or_else(|| ended(entry))).collect()
}

fn began(entry: &Entry) -> Option<Position> {
    (entry.status == EntryStatus::Posted && entry.expires_at.is_some()).then_some(entry.position)
}

fn ended(entry: &Entry) -> Option<Position> {
    (entry.status == EntryStatus::Posted && entry.remaining == Some(0)).then_some(entry.request).flatten()
}

pub(crate) fn read_page(fields: Fields<'_>) -> Result<StoredPage, Malformed> {
    let id = fields.document("_id")?;
    Ok(StoredPage {
        account: id.parsed("account")?,
        number: id.count("number")?,
        entries: read_entries(fields, "entries", fields.count("first_sequence")?)?,
        head: fields.digest("head")?,
    })
}
