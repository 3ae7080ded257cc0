//! `accounts`: what settling needs of an account, and its open page.
//!
//! ```text
//! { _id: "alice", currency, status, balance, held, overdraft_limit, holds: [{ request, remaining, expires_at }],
//!   sequence, head, opened_at, page: [entry, …] }
//! ```
//!
//! When the account was last written, its last entry says: each field that an update sets costs MongoDB time.

use ledger::{Account, AccountChange, AccountId, Entry, Hold, Status, Timestamp, page_sequences, turned_pages};
use mongodb::bson::{Document, doc};

use super::entry::{read_entries, write_entry};
use super::fields::{Fields, Malformed};
use super::writer::{ArrayWriter, DocumentWriter};
use crate::capability::AccountView;

/// An account's newest entries and the page they stand in.
#[derive(Debug, Default, Clone)]
pub(crate) struct OpenPage {
    pub(crate) entries: Vec<Entry>,
    /// The account's sequence: that of the last entry.
    pub(crate) sequence: u64,
}

/// All of an account but its page. To name what is wanted is cheaper for MongoDB than to name what is not.
pub(crate) fn without_page() -> Document {
    doc! {
        "currency": 1, "status": 1, "balance": 1, "held": 1, "overdraft_limit": 1, "holds": 1, "sequence": 1, "head": 1,
        "postings": 1,
    }
}

/// All of an account, and the last entry of its page.
pub(crate) fn with_last_entry() -> Document {
    let mut projection = without_page();
    projection.insert("page", doc! { "$slice": -1 });
    projection
}

pub(crate) fn read_account(fields: Fields<'_>, id: AccountId) -> Result<Account, Malformed> {
    let status = fields.text("status")?;
    Ok(Account {
        id,
        currency: fields.parsed("currency")?,
        status: Status::from_name(status)
            .ok_or_else(|| Malformed(format!("`status` is {status:?}, which cannot be")))?,
        balance: fields.number("balance")?,
        held: fields.number("held")?,
        overdraft_limit: fields.number("overdraft_limit")?,
        holds: fields.documents("holds")?.map(|hold| read_hold(hold?)).collect::<Result<_, _>>()?,
        sequence: fields.count("sequence")?,
        head: fields.digest("head")?,
    })
}

/// An account read [`with_last_entry`] or with its whole page.
pub(crate) fn read_account_view(fields: Fields<'_>, id: AccountId) -> Result<AccountView, Malformed> {
    let page = read_open_page(fields)?;
    let last = page.entries.last().ok_or_else(|| Malformed("`page` has no entry".to_owned()))?;
    Ok(AccountView { account: read_account(fields, id)?, updated_at: last.settled_at })
}

fn read_hold(fields: Fields<'_>) -> Result<Hold, Malformed> {
    Ok(Hold {
        request: fields.parsed("request")?,
        remaining: fields.number("remaining")?,
        expires_at: fields.time("expires_at")?,
    })
}

pub(crate) fn read_open_page(fields: Fields<'_>) -> Result<OpenPage, Malformed> {
    let sequence: u64 = fields.count("sequence")?;
    let length = fields.documents("page")?.count() as u64;
    let first =
        (sequence + 1).checked_sub(length).ok_or_else(|| Malformed("`page` is longer than `sequence`".into()))?;
    Ok(OpenPage { entries: read_entries(fields, "page", first)?, sequence })
}

/// The document of an account that the batch opened.
pub(crate) fn write_new_account(document: &mut DocumentWriter<'_>, change: &AccountChange, settled_at: Timestamp) {
    let account = &change.account;
    document.text("_id", account.id.as_str()).text("currency", account.currency.code());
    document.text("status", account.status.name()).number("balance", account.balance).number("held", account.held);
    document.number("overdraft_limit", account.overdraft_limit);
    write_holds(document.array("holds"), &account.holds);
    document.count("sequence", account.sequence).binary("head", &account.head);
    document.time("opened_at", settled_at);
    write_entries(document.array("page"), open_entries(change));
}

/// The statement of an `update` command that brings an account up to date. `had_holds`: whether it had any before.
pub(crate) fn write_update(statement: &mut DocumentWriter<'_>, change: &AccountChange, had_holds: bool) {
    let account = &change.account;
    statement.document("q").text("_id", account.id.as_str());
    let mut update = statement.document("u");
    let page_turns = !turned_pages(change.sequence_before, account.sequence).is_empty();
    {
        let mut set = update.document("$set");
        set.number("balance", account.balance).count("sequence", account.sequence).binary("head", &account.head);
        if had_holds || !account.holds.is_empty() {
            set.number("held", account.held);
            write_holds(set.array("holds"), &account.holds);
        }
        if page_turns {
            write_entries(set.array("page"), open_entries(change));
        }
    }
    if !page_turns {
        let mut push = update.document("$push");
        let mut page = push.document("page");
        write_entries(page.array("$each"), &change.entries);
    }
}

/// The new entries that stand in the open page after the batch.
fn open_entries(change: &AccountChange) -> &[Entry] {
    let turned = turned_pages(change.sequence_before, change.account.sequence);
    if turned.is_empty() {
        return &change.entries;
    }
    let full = page_sequences(turned.end - 1).end().saturating_sub(change.sequence_before);
    change.entries.get(full as usize..).unwrap_or_default()
}

pub(crate) fn write_entries<'e>(mut array: ArrayWriter<'_>, entries: impl IntoIterator<Item = &'e Entry>) {
    for entry in entries {
        write_entry(&mut array.push_document(), entry);
    }
}

fn write_holds(mut array: ArrayWriter<'_>, holds: &[Hold]) {
    for hold in holds {
        let mut document = array.push_document();
        document.text("request", &hold.request.to_string()).number("remaining", hold.remaining);
        document.time("expires_at", hold.expires_at);
    }
}
