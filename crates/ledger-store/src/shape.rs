//! The documents, field by field: one module a collection. Written straight into BSON bytes, read without copies.
//!
//! Amounts, sequence numbers and offsets are 64-bit integers, balances of contra accounts decimals, times are dates,
//! positions and transaction ids are their text.

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
    read_account, read_account_as_it_is, read_account_view, read_open_page, read_open_page_as_it_is, with_last_entry,
    without_page, write_new_account, write_update,
};
pub(crate) use contra::{read_contra, write_contra_update};
pub(crate) use dead_letter::{read_dead_letter, write_dead_letter};
pub(crate) use fence::{
    fence_advance, fence_document, fence_id, published_mark, read_fence, write_fence_advance, write_voids,
};
pub(crate) use fields::{Fields, Malformed};
pub(crate) use key::{key_id, read_key, write_key, write_key_update};
pub(crate) use page::{page_id, read_page, stream_start, write_page};
pub(crate) use unbooked::{read_unbooked, write_unbooked};
pub(crate) use writer::DocumentWriter;

pub(crate) const ACCOUNTS: &str = "accounts";
pub(crate) const PAGES: &str = "pages";
pub(crate) const KEYS: &str = "keys";
pub(crate) const FENCES: &str = "fences";
pub(crate) const UNBOOKED: &str = "unbooked";
pub(crate) const DEAD_LETTERS: &str = "dead_letters";
pub(crate) const COLLECTIONS: [&str; 6] = [ACCOUNTS, PAGES, KEYS, FENCES, UNBOOKED, DEAD_LETTERS];
