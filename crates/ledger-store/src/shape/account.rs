//! `accounts`: what settling needs of an account, and its open page.
//!
//! ```text
//! { _id: "alice", currency, status, balance, held, overdraft_limit, holds: { "000g…": { remaining, expires_at }, … },
//!   sequence, head, opened_at, page: [entry, …] }
//! ```
//!
//! Open holds are named by their requests, so that an update names only those that changed. An account is checked
//! ([`Account::check`]) whenever it is read: one that cannot be is malformed, and nothing is settled on it.
//!
//! When the account was last written, its last entry says: each field that an update sets costs MongoDB time.

use ledger::{
    Account, AccountChange, AccountId, Entry, Hold, OpenPage as NewEntries, Status, Timestamp, Unsound,
    check_open_page, place_in_page,
};
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

/// An account that can be.
pub(crate) fn read_account(fields: Fields<'_>, id: AccountId) -> Result<Account, Malformed> {
    let account = read_account_as_it_is(fields, id)?;
    account.check()?;
    Ok(account)
}

/// An account, sound or not.
pub(crate) fn read_account_as_it_is(fields: Fields<'_>, id: AccountId) -> Result<Account, Malformed> {
    let status = fields.text("status")?;
    Ok(Account {
        id,
        currency: fields.parsed("currency")?,
        status: Status::from_name(status)
            .ok_or_else(|| Malformed(format!("`status` is {status:?}, which cannot be")))?,
        balance: fields.number("balance")?,
        held: fields.number("held")?,
        overdraft_limit: fields.number("overdraft_limit")?,
        holds: read_holds(fields)?,
        sequence: fields.count("sequence")?,
        head: fields.digest("head")?,
    })
}

/// In the order of their requests; MongoDB keeps names in the order in which they came.
fn read_holds(fields: Fields<'_>) -> Result<Vec<Hold>, Malformed> {
    let hold = |named: Result<(&str, Fields<'_>), Malformed>| {
        let (request, fields) = named?;
        let request = request.parse().map_err(|_| Malformed(format!("{request:?} names no hold")))?;
        Ok(Hold { request, remaining: fields.number("remaining")?, expires_at: fields.time("expires_at")? })
    };
    let mut holds: Vec<Hold> = fields.named_documents("holds")?.map(hold).collect::<Result<_, Malformed>>()?;
    holds.sort_unstable_by_key(|hold| hold.request);
    Ok(holds)
}

impl From<Unsound> for Malformed {
    fn from(unsound: Unsound) -> Self {
        Self(unsound.to_string())
    }
}

/// An account read [`with_last_entry`] or with its whole page.
pub(crate) fn read_account_view(fields: Fields<'_>, id: AccountId) -> Result<AccountView, Malformed> {
    let account = read_account(fields, id)?;
    let last = read_entries(fields, "page", account.sequence)?.pop();
    let last = last.ok_or_else(|| Malformed("`page` has no entry".to_owned()))?;
    Ok(AccountView { account, updated_at: last.settled_at })
}

/// An open page that fits its account.
pub(crate) fn read_open_page(fields: Fields<'_>) -> Result<OpenPage, Malformed> {
    let page = read_open_page_as_it_is(fields)?;
    check_open_page(page.entries.len() as u64, page.sequence)?;
    Ok(page)
}

pub(crate) fn read_open_page_as_it_is(fields: Fields<'_>) -> Result<OpenPage, Malformed> {
    let sequence: u64 = fields.count("sequence")?;
    let length = fields.documents("page")?.count() as u64;
    let first =
        (sequence + 1).checked_sub(length).ok_or_else(|| Malformed("`page` is longer than `sequence`".into()))?;
    Ok(OpenPage { entries: read_entries(fields, "page", first)?, sequence })
}

/// The document of an account that the batch opened.
pub(crate) fn write_new_account(document: &mut DocumentWriter<'_>, change: &AccountChange, settled_at: Timestamp) {
    let account = &change.after;
    document.text("_id", account.id.as_str()).text("currency", account.currency.code());
    document.text("status", account.status.name()).number("balance", account.balance).number("held", account.held);
    document.number("overdraft_limit", account.overdraft_limit);
    {
        let mut holds = document.document("holds");
        account.holds.iter().for_each(|hold| write_hold(&mut holds, &hold.request.to_string(), hold));
    }
    document.count("sequence", account.sequence).binary("head", &account.head);
    document.time("opened_at", settled_at);
    write_entries(document.array("page"), change.open_page.entries());
}

/// The write of an `update` that makes of an account what it is after the batch: what differs, and no more.
pub(crate) fn write_update(write: &mut DocumentWriter<'_>, before: &Account, change: &AccountChange) {
    let after = &change.after;
    write.document("q").text("_id", after.id.as_str());
    let mut update = write.document("u");
    {
        let mut set = update.document("$set");
        set.count("sequence", after.sequence).binary("head", &after.head);
        for (name, before, after) in [
            ("balance", before.balance, after.balance),
            ("held", before.held, after.held),
            ("overdraft_limit", before.overdraft_limit, after.overdraft_limit),
        ] {
            if before != after {
                set.number(name, after);
            }
        }
        if before.status != after.status {
            set.text("status", after.status.name());
        }
        let changed = |hold: &&Hold| find(&before.holds, hold) != Some(hold);
        for hold in after.holds.iter().filter(changed) {
            write_hold(&mut set, &hold_path(hold), hold);
        }
        match &change.open_page {
            NewEntries::Begun(entries) => write_entries(set.array("page"), entries),
            // Each at its place, which takes MongoDB less than a `$push` (docs/decisions/2026-11-29-settled-at-once.md). A page
            // that is not as long as it should be is malformed after as before.
            NewEntries::Grown(entries) => entries.iter().for_each(|entry| {
                write_entry(&mut set.document(&format!("page.{}", place_in_page(entry.sequence))), entry);
            }),
        }
    }
    let mut ended = before.holds.iter().filter(|hold| find(&after.holds, hold).is_none()).peekable();
    if ended.peek().is_some() {
        let mut unset = update.document("$unset");
        ended.for_each(|hold| {
            unset.text(&hold_path(hold), "");
        });
    }
}

/// The hold of the same request.
fn find<'h>(holds: &'h [Hold], of: &Hold) -> Option<&'h Hold> {
    holds.binary_search_by_key(&of.request, |hold| hold.request).ok().and_then(|at| holds.get(at))
}

fn hold_path(hold: &Hold) -> String {
    format!("holds.{}", hold.request)
}

fn write_hold(document: &mut DocumentWriter<'_>, name: &str, hold: &Hold) {
    document.document(name).number("remaining", hold.remaining).time("expires_at", hold.expires_at);
}

pub(crate) fn write_entries<'e>(mut array: ArrayWriter<'_>, entries: impl IntoIterator<Item = &'e Entry>) {
    for entry in entries {
        write_entry(&mut array.push_document(), entry);
    }
}
