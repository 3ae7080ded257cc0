//! What has become of holds, for those who read the withdrawal requests that placed them.
//!
//! A request's own line in the book says what was held right after it, and never changes. By the time somebody reads it the
//! hold may be over: captured or released, which a later line says; or expired, which a later line says once there is one,
//! and only the clock before that. So whoever reads such a line is told what has become of the hold.
//!
//! Bound: at most two reads more than the lines themselves take, and none where the lines tell all: the account, for the
//! holds that are open, and [`LATER`] entries that follow. Of a hold that ended after these it is only said that it did.

use std::collections::HashMap;

use ledger::{Account, HoldEnd, Line, Outcome, Position, Timestamp};
use ledger_log::CommandLog;
use ledger_store::{Reading, StoreError};
use ledger_wire::answer::{HoldNow, OutcomeBody};

use crate::door::Door;

/// So many entries after the newest line at hand are looked through.
const LATER: usize = 500;

/// What is known of the holds that some outcomes of one account speak of.
#[derive(Debug, Default)]
pub(crate) struct HoldsNow(HashMap<Position, HoldNow>);

impl HoldsNow {
    /// Of the holds that these outcomes, newest first, placed.
    pub(crate) async fn of<L: CommandLog, R: Reading>(
        door: &Door<L, R>,
        outcomes: &[Outcome],
    ) -> Result<Self, StoreError> {
        let mut known = Self::default();
        known.learn_ends(outcomes);
        let Some(newest) = outcomes.first().filter(|_| known.misses_one_of(outcomes)) else { return Ok(known) };
        if let Some(view) = door.accounts.account(&newest.account).await? {
            known.learn_open(&view.account, (door.clock)());
        }
        if known.misses_one_of(outcomes) {
            known.learn_ends(&later(door, newest).await?);
        }
        Ok(known)
    }

    /// An outcome as it is read now.
    pub(crate) fn tell(&self, outcome: &Outcome) -> OutcomeBody {
        let body = OutcomeBody::from(outcome);
        match placed(outcome) {
            Some(hold) => body.with_hold(self.0.get(&hold).copied().unwrap_or(HoldNow::Ended), &outcome.account),
            None => body,
        }
    }

    fn misses_one_of(&self, outcomes: &[Outcome]) -> bool {
        outcomes.iter().filter_map(placed).any(|hold| !self.0.contains_key(&hold))
    }

    fn learn_ends(&mut self, outcomes: &[Outcome]) {
        let ends = outcomes.iter().flat_map(|outcome| outcome.entry.ended_holds());
        self.0.extend(ends.map(|(hold, end)| (hold, HoldNow::Over(end))));
    }

    /// The holds that no command has ended yet.
    fn learn_open(&mut self, account: &Account, now: Timestamp) {
        for hold in &account.holds {
            let state = if hold.has_expired(now) {
                HoldNow::Over(HoldEnd::Expired { at: hold.expires_at })
            } else {
                HoldNow::Open { remaining: hold.remaining }
            };
            self.0.insert(hold.request, state);
        }
    }
}

/// The hold that an outcome placed.
fn placed(outcome: &Outcome) -> Option<Position> {
    matches!(outcome.entry.line, Line::Hold { .. }).then_some(outcome.entry.position)
}

/// What follows an outcome in its book.
async fn later<L: CommandLog, R: Reading>(door: &Door<L, R>, outcome: &Outcome) -> Result<Vec<Outcome>, StoreError> {
    let end = outcome.entry.sequence + 1 + LATER as u64;
    Ok(door.accounts.statement(&outcome.account, Some(end), LATER).await?.unwrap_or_default())
}
