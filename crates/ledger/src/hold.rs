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

    pub(crate) const fn expired(self) -> HoldEnd {
        HoldEnd::Expired { at: self.expires_at }
    }
}

/// What ended a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldEnd {
    Captured { by: Position },
    Released { by: Position },
    Expired { at: Timestamp },
}
