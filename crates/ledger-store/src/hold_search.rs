//! How holds ended, from the entries that tell.

use std::collections::HashMap;

use ledger::{AccountId, Entry, HoldEnd, Position, Worksheet};

/// Looks for the ends of holds among entries.
#[derive(Debug, Default)]
pub(crate) struct HoldSearch(HashMap<(AccountId, Position), Searched>);

#[derive(Debug)]
struct Searched {
    end: Option<HoldEnd>,
    can_have_ended: bool,
}

impl HoldSearch {
    /// A hold that is not open. One that cannot have ended need not be looked for.
    pub(crate) fn add(&mut self, account: &AccountId, request: Position, can_have_ended: bool) {
        self.0.entry((account.clone(), request)).or_insert(Searched { end: None, can_have_ended });
    }

    pub(crate) fn look_through(&mut self, account: &AccountId, entries: &[Entry]) {
        if self.0.is_empty() {
            return;
        }
        for (request, end) in entries.iter().flat_map(Entry::ended_holds) {
            if let Some(searched) = self.0.get_mut(&(account.clone(), request)) {
                searched.end = Some(end);
            }
        }
    }

    /// The holds of which no end has been found yet, though there may be one.
    pub(crate) fn without_an_end(&self) -> Vec<Position> {
        let missing = self.0.iter().filter(|(_, searched)| searched.end.is_none() && searched.can_have_ended);
        missing.map(|((_, request), _)| *request).collect()
    }

    pub(crate) fn tell(self, worksheet: &mut Worksheet) {
        for ((account, request), searched) in self.0 {
            worksheet.add_ended_hold(account, request, searched.end);
        }
    }
}
