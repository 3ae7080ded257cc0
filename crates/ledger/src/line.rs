//! What one entry says: a closed list of lines, each with its own facts and no others.

use crate::command::{Action, Kind};
use crate::hold::HoldEnd;
use crate::money::Money;
use crate::position::Position;
use crate::refusal::Refusal;
use crate::timestamp::Timestamp;

/// What a command did to the account. A command that did nothing keeps what it asked for, so that a reader, or a client that
/// uses its key again, sees what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Deposit {
        money: Money,
    },
    /// A withdrawal request: from here on the money is held.
    Hold {
        money: Money,
        expires_in_seconds: u32,
        expires_at: Timestamp,
    },
    /// A withdrawal at once.
    Withdrawal {
        money: Money,
    },
    Capture {
        request: Position,
        money: Money,
        is_final: bool,
        /// What then still is held, in minor units; 0 says that the hold ended here.
        remaining: i64,
        /// What went back to the available money, in minor units.
        released: i64,
    },
    /// Gives back what remained of a hold.
    Release {
        request: Position,
        released: Money,
    },
    Refused {
        asked: Action,
        refusal: Refusal,
    },
    /// The same idempotency key and the same body as the command at `original`, whose outcome stands.
    Replayed {
        asked: Action,
        original: Position,
    },
}

/// By how much a line moves its account's books, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    pub balance: i64,
    pub held: i64,
}

/// How it went, as clients know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Posted,
    Refused,
    Replayed,
}

impl Standing {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Posted => "posted",
            Self::Refused => "refused",
            Self::Replayed => "replayed",
        }
    }
}

impl Line {
    pub const fn standing(&self) -> Standing {
        match self {
            Self::Refused { .. } => Standing::Refused,
            Self::Replayed { .. } => Standing::Replayed,
            Self::Deposit { .. }
            | Self::Hold { .. }
            | Self::Withdrawal { .. }
            | Self::Capture { .. }
            | Self::Release { .. } => Standing::Posted,
        }
    }

    /// What the command asked for, word for word.
    pub fn asked(&self) -> Action {
        match self {
            Self::Deposit { money } => Action::Deposit(*money),
            Self::Hold { money, expires_in_seconds, .. } => {
                Action::WithdrawalRequest { money: *money, expires_in_seconds: *expires_in_seconds }
            }
            Self::Withdrawal { money } => Action::Withdrawal(*money),
            Self::Capture { request, money, is_final, .. } => {
                Action::Capture { request: *request, money: *money, is_final: *is_final }
            }
            Self::Release { request, .. } => Action::Release { request: *request },
            Self::Refused { asked, .. } | Self::Replayed { asked, .. } => asked.clone(),
        }
    }

    pub const fn kind(&self) -> Kind {
        match self {
            Self::Deposit { .. } => Kind::Deposit,
            Self::Hold { .. } => Kind::WithdrawalRequest,
            Self::Withdrawal { .. } | Self::Capture { .. } => Kind::Withdrawal,
            Self::Release { .. } => Kind::Release,
            Self::Refused { asked, .. } | Self::Replayed { asked, .. } => asked.kind(),
        }
    }

    /// How the line moves balance and held money; holds that had expired before are not in it.
    pub const fn change(&self) -> Change {
        match self {
            Self::Deposit { money } => Change { balance: money.amount.minor_units(), held: 0 },
            Self::Hold { money, .. } => Change { balance: 0, held: money.amount.minor_units() },
            Self::Withdrawal { money } => Change { balance: -money.amount.minor_units(), held: 0 },
            Self::Capture { money, released, .. } => {
                let taken = money.amount.minor_units();
                Change { balance: -taken, held: -taken - *released }
            }
            Self::Release { released, .. } => Change { balance: 0, held: -released.amount.minor_units() },
            Self::Refused { .. } | Self::Replayed { .. } => Change { balance: 0, held: 0 },
        }
    }

    /// The hold that this line ended, and how; `by` is where the line's command stands.
    pub(crate) const fn ended_hold(&self, by: Position) -> Option<(Position, HoldEnd)> {
        match self {
            Self::Capture { request, remaining: 0, .. } => Some((*request, HoldEnd::Captured { by })),
            Self::Release { request, .. } => Some((*request, HoldEnd::Released { by })),
            Self::Deposit { .. }
            | Self::Hold { .. }
            | Self::Withdrawal { .. }
            | Self::Capture { .. }
            | Self::Refused { .. }
            | Self::Replayed { .. } => None,
        }
    }
}
