//! How holds ended, from the entries that tell.

use std::collections::{HashMap, HashSet};

use ledger::{AccountId, Book, Entry, EntryStatus, HoldEnd, Kind, Position};

/// Looks for the ends of holds among entries.
#[derive(Debug, Default)]
pub(crate) struct HoldSearch {
    wanted: HashSet<(AccountId, Position)>,
    ends: HashMap<(AccountId, Position), HoldEnd>,
}

impl HoldSearch {
    pub(crate) fn add(&mut self, account: &AccountId, requests: &[Position]) {
        self.wanted.extend(requests.iter().map(|request| (account.clone(), *request)));
    }

    /// An entry that left nothing of the hold ended it. A hold that was placed and that no entry ended has expired.
    pub(crate) fn look_through(&mut self, account: &AccountId, entries: &[Entry]) {
        for entry in entries.iter().filter(|entry| entry.status == EntryStatus::Posted) {
            let by = entry.position;
            match (entry.request, entry.remaining, entry.expires_at) {
                (Some(request), Some(0), _) if self.wants(account, request) => {
                    let end =
                        if entry.kind == Kind::Release { HoldEnd::Released { by } } else { HoldEnd::Captured { by } };
                    self.ends.insert((account.clone(), request), end);
                }
                (None, _, Some(at)) if self.wants(account, by) => {
                    self.ends.entry((account.clone(), by)).or_insert(HoldEnd::Expired { at });
                }
                _ => {}
            }
        }
    }

    fn wants(&self, account: &AccountId, request: Position) -> bool {
        !self.wanted.is_empty() && self.wanted.contains(&(account.clone(), request))
    }

    /// The holds of which an end by an entry has not been found; they may have expired, or there may be one yet.
    pub(crate) fn without_an_end(&self) -> Vec<String> {
        let is_open =
            |hold: &&(AccountId, Position)| matches!(self.ends.get(*hold), None | Some(HoldEnd::Expired { .. }));
        self.wanted.iter().filter(is_open).map(|(_, request)| request.to_string()).collect()
    }

    pub(crate) fn tell(self, book: &mut Book) {
        for ((account, request), end) in self.ends {
            book.add_ended_hold(account, request, end);
        }
    }
}
