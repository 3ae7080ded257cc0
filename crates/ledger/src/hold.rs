use crate::position::Position;
use crate::timestamp::Timestamp;

/// The most holds one account keeps open at once: they are read and written with the account.
pub const MAX_OPEN_HOLDS: usize = 1_000;

/// Money reserved by a withdrawal request until captured, released or expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// The position of the request that placed it.
    pub request: Position,
    /// Minor units still reserved; positive while the hold is open.
    pub remaining: i64,
    /// The first moment at which the hold no longer holds.
    pub expires_at: Timestamp,
}

impl Hold {
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}

/// A hold that had expired, as the next entry of its account names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiredHold {
    pub request: Position,
    /// What went back to the available money, in minor units.
    pub released: i64,
    pub expired_at: Timestamp,
}

impl From<Hold> for ExpiredHold {
    fn from(hold: Hold) -> Self {
        Self { request: hold.request, released: hold.remaining, expired_at: hold.expires_at }
    }
}

/// What ended a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldEnd {
    Captured { by: Position },
    Released { by: Position },
    Expired { at: Timestamp },
}

impl From<ExpiredHold> for HoldEnd {
    fn from(hold: ExpiredHold) -> Self {
        Self::Expired { at: hold.expired_at }
    }
}
