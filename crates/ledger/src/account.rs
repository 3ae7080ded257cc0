//! An account as a value, and the transitions that money makes on it.
//!
//! Each transition checks everything first and changes the account only when nothing refuses, so a refusal leaves no
//! trace but its entry.

use crate::account_id::AccountId;
use crate::digest::{Digest, chain_start};
use crate::entry::Balances;
use crate::hold::{Hold, MAX_OPEN_HOLDS};
use crate::money::{Amount, Currency, Money};
use crate::position::Position;
use crate::refusal::Refusal;
use crate::timestamp::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Open,
    Frozen,
    Closed,
}

impl Status {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Frozen => "frozen",
            Self::Closed => "closed",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Frozen, Self::Closed].into_iter().find(|status| status.name() == name)
    }
}

/// An account without its entries: all that settling a command needs. Amounts are minor units of `currency`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub currency: Currency,
    pub status: Status,
    /// What is posted.
    pub balance: i64,
    /// The sum of the open holds.
    pub held: i64,
    /// How far below zero `available` may reach into the balance; not negative.
    pub overdraft_limit: i64,
    /// Open holds in the order of their requests; at most [`MAX_OPEN_HOLDS`].
    pub holds: Vec<Hold>,
    /// Entries ever written.
    pub sequence: u64,
    /// The digest of the last entry.
    pub head: Digest,
}

/// What a capture did to its hold, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) remaining: i64,
    /// What went back to the available money.
    pub(crate) released: i64,
}

impl Account {
    pub fn open(id: AccountId, currency: Currency) -> Self {
        Self {
            currency,
            status: Status::Open,
            balance: 0,
            held: 0,
            overdraft_limit: 0,
            holds: Vec::new(),
            sequence: 0,
            head: chain_start(&id),
            id,
        }
    }

    /// What may still be withdrawn or held: balance - held + overdraft limit.
    pub const fn available(&self) -> i64 {
        // Fits: a deposit is refused where balance + limit would not, and held takes from it at most down to zero.
        self.balance + self.overdraft_limit - self.held
    }

    pub const fn balances(&self) -> Balances {
        Balances { balance: self.balance, held: self.held, available: self.available() }
    }

    /// The account as it is at `now`: holds that have expired by then are gone and their money is available.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.expire_holds(now);
        self
    }

    /// Gives back what expired holds reserved and says which ended.
    pub(crate) fn expire_holds(&mut self, now: Timestamp) -> Vec<Hold> {
        if !self.holds.iter().any(|hold| hold.has_expired(now)) {
            return Vec::new();
        }
        let (expired, open) = self.holds.drain(..).partition::<Vec<_>, _>(|hold| hold.has_expired(now));
        self.holds = open;
        self.held -= expired.iter().map(|hold| hold.remaining).sum::<i64>();
        expired
    }

    pub(crate) fn check_usable(&self, money: Option<Money>) -> Result<(), Refusal> {
        match (self.status, money) {
            (Status::Frozen, _) => Err(Refusal::AccountFrozen),
            (Status::Closed, _) => Err(Refusal::AccountClosed),
            (Status::Open, Some(money)) if money.currency != self.currency => {
                Err(Refusal::CurrencyMismatch { account: self.currency })
            }
            (Status::Open, _) => Ok(()),
        }
    }

    pub(crate) fn deposit(&mut self, amount: Amount) -> Result<(), Refusal> {
        let balance = self.balance.checked_add(amount.minor_units()).ok_or(Refusal::BalanceLimit)?;
        balance.checked_add(self.overdraft_limit).ok_or(Refusal::BalanceLimit)?;
        self.balance = balance;
        Ok(())
    }

    pub(crate) fn withdraw(&mut self, amount: Amount) -> Result<(), Refusal> {
        self.check_available(amount)?;
        self.balance -= amount.minor_units();
        Ok(())
    }

    pub(crate) fn place_hold(
        &mut self,
        request: Position,
        amount: Amount,
        expires_at: Timestamp,
    ) -> Result<(), Refusal> {
        self.check_available(amount)?;
        if self.holds.len() >= MAX_OPEN_HOLDS {
            return Err(Refusal::TooManyHolds);
        }
        self.held += amount.minor_units();
        self.holds.push(Hold { request, remaining: amount.minor_units(), expires_at });
        Ok(())
    }

    /// Takes held money. What then remains is released, unless `is_final` is false.
    pub(crate) fn capture(&mut self, request: Position, amount: Amount, is_final: bool) -> Result<Captured, Refusal> {
        let (at, hold) = self.open_hold(request).ok_or(Refusal::HoldNotFound)?;
        let left = hold.remaining - amount.minor_units();
        if left < 0 {
            return Err(Refusal::ExceedsHold { remaining: hold.remaining });
        }
        self.balance -= amount.minor_units();
        let (remaining, released) = if is_final { (0, left) } else { (left, 0) };
        self.held -= hold.remaining - remaining;
        if remaining == 0 {
            self.holds.remove(at);
        } else {
            self.holds[at].remaining = remaining;
        }
        Ok(Captured { remaining, released })
    }

    /// Ends a hold and gives back what it still kept.
    pub(crate) fn release(&mut self, request: Position) -> Result<i64, Refusal> {
        let (at, hold) = self.open_hold(request).ok_or(Refusal::HoldNotFound)?;
        self.holds.remove(at);
        self.held -= hold.remaining;
        Ok(hold.remaining)
    }

    pub fn has_open_hold(&self, request: Position) -> bool {
        self.open_hold(request).is_some()
    }

    fn open_hold(&self, request: Position) -> Option<(usize, Hold)> {
        let at = self.holds.binary_search_by_key(&request, |hold| hold.request).ok()?;
        Some((at, self.holds[at]))
    }

    fn check_available(&self, amount: Amount) -> Result<(), Refusal> {
        let available = self.available();
        if amount.minor_units() <= available { Ok(()) } else { Err(Refusal::InsufficientFunds { available }) }
    }
}
