//! Which entries stand in which page.
//!
//! Pages are full before they turn, so a page's number follows from a sequence number and needs no index. The open page
//! turns when the entry after its last arrives, not before: the newest entries always stand with the account.

use std::ops::Range;

use crate::account_id::AccountId;
use crate::digest::Digest;
use crate::entry::Entry;

/// Entries in a full page. Small, since MongoDB rewrites an account's document with its open page at every batch: over
/// 100 accounts pages of 16 settled half as fast again as pages of 64.
pub const PAGE_CAPACITY: u64 = 16;

/// A full page, turned over: it never changes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub account: AccountId,
    pub number: u64,
    /// [`PAGE_CAPACITY`] of them.
    pub entries: Vec<Entry>,
    /// The digest of the last entry.
    pub head: Digest,
}

/// What became of an account's open page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenPage {
    /// These entries came behind those that it had.
    Grown(Vec<Entry>),
    /// It turned; a new one begins with these entries.
    Begun(Vec<Entry>),
}

impl OpenPage {
    /// The entries that are to be written, added or in place of the old ones.
    pub fn entries(&self) -> &[Entry] {
        match self {
            Self::Grown(entries) | Self::Begun(entries) => entries,
        }
    }
}

/// The number, from 0 on, of the page where the entry with this sequence number stands; 0 before the first entry.
pub const fn page_number(sequence: u64) -> u64 {
    sequence.saturating_sub(1) / PAGE_CAPACITY
}

/// Where in its page, from 0 on, the entry with this sequence number stands.
pub const fn place_in_page(sequence: u64) -> u64 {
    sequence.saturating_sub(1) % PAGE_CAPACITY
}

/// The numbers of the pages that are full and no longer the open one, once `after` entries stand where `before` stood.
pub const fn turned_pages(before: u64, after: u64) -> Range<u64> {
    page_number(before)..page_number(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_turns_with_the_entry_after_its_last() {
        for (before, after, turned) in
            [(0, 0, 0..0), (0, 16, 0..0), (0, 17, 0..1), (16, 16, 0..0), (16, 17, 0..1), (15, 49, 0..3), (17, 32, 1..1)]
        {
            assert_eq!(turned_pages(before, after), turned, "{before} to {after}");
        }
    }

    #[test]
    fn a_page_has_its_capacity_of_entries() {
        for number in 0..7 {
            let entries = (1..=7 * PAGE_CAPACITY).filter(|sequence| page_number(*sequence) == number).count();
            assert_eq!(entries as u64, PAGE_CAPACITY, "{number}");
        }
    }

    #[test]
    fn the_places_of_a_page_are_counted_from_0() {
        let places: Vec<_> = (1..=PAGE_CAPACITY + 2).map(place_in_page).collect();
        assert_eq!(places, (0..PAGE_CAPACITY).chain([0, 1]).collect::<Vec<_>>());
    }
}
