//! The documents, field by field: one module a collection. Written straight into BSON bytes, read without copies.
//!
//! Amounts, sequence numbers and offsets are 64-bit integers, times are dates, positions and transaction ids are their
//! text. A field that says what its absence says too is left out, which makes an ordinary entry half as large: an entry
//! without `status` is posted, without `held` holds nothing, without `available` can give out its whole balance.

mod account;
mod contra;
mod dead_letter;
mod entry;
mod fence;
mod fields;
mod key;
mod page;
mod unbooked;
mod writer;

pub(crate) use account::{
    OpenPage, read_account, read_account_view, read_open_page, with_last_entry, without_page, write_new_account,
    write_update,
};
pub(crate) use contra::{read_contra, write_contra_update};
pub(crate) use dead_letter::{read_dead_letter, write_dead_letter};
pub(crate) use fence::{fence_advance, fence_document, fence_id, read_fence};
pub(crate) use fields::{Fields, Malformed};
pub(crate) use key::{key_id, read_key, write_key};
pub(crate) use page::{Page, StoredPage, page_id, read_page, stream_start, write_page};
pub(crate) use unbooked::{read_unbooked, write_unbooked};
pub(crate) use writer::DocumentWriter;

pub(crate) const ACCOUNTS: &str = "accounts";
pub(crate) const PAGES: &str = "pages";
pub(crate) const KEYS: &str = "keys";
pub(crate) const FENCES: &str = "fences";
pub(crate) const UNBOOKED: &str = "unbooked";
pub(crate) const DEAD_LETTERS: &str = "dead_letters";
pub(crate) const COLLECTIONS: [&str; 6] = [ACCOUNTS, PAGES, KEYS, FENCES, UNBOOKED, DEAD_LETTERS];
