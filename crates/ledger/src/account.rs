//! An account as a value, and the transitions that money makes on it.
//!
//! Each transition checks everything first and changes the account only when nothing refuses, so a refusal leaves no
//! trace but its entry.

use std::fmt;
use std::str::FromStr;

use crate::account_id::AccountId;
use crate::entry::Digest;
use crate::hold::{Hold, MAX_OPEN_HOLDS};
use crate::money::{Amount, Currency, Money};
use crate::position::{Partition, Position};
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
    /// Open holds, the oldest first; at most [`MAX_OPEN_HOLDS`].
    pub holds: Vec<Hold>,
    /// Entries ever written.
    pub sequence: u64,
    /// The digest of the last entry.
    pub head: Digest,
}

/// What a capture or a release did to its hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HoldChange {
    pub(crate) remaining: i64,
    /// What went back to the available money.
    pub(crate) released: i64,
}

impl Account {
    pub fn open(id: AccountId, currency: Currency) -> Self {
        Self {
            id,
            currency,
            status: Status::Open,
            balance: 0,
            held: 0,
            overdraft_limit: 0,
            holds: Vec::new(),
            sequence: 0,
            head: [0; 32],
        }
    }

    /// What may still be withdrawn or held: balance - held + overdraft limit.
    pub const fn available(&self) -> i64 {
        // Fits: a deposit is refused where balance + limit would not, and held takes from it at most down to zero.
        self.balance + self.overdraft_limit - self.held
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

    pub(crate) fn deposit(&mut self, amount: Amount, contra: &mut ContraAccount) -> Result<(), Refusal> {
        let balance = self.balance.checked_add(amount.minor_units()).ok_or(Refusal::BalanceLimit)?;
        balance.checked_add(self.overdraft_limit).ok_or(Refusal::BalanceLimit)?;
        contra.post(-amount.minor_units())?;
        self.balance = balance;
        Ok(())
    }

    pub(crate) fn withdraw(&mut self, amount: Amount, contra: &mut ContraAccount) -> Result<(), Refusal> {
        self.check_available(amount)?;
        contra.post(amount.minor_units())?;
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
    pub(crate) fn capture(
        &mut self,
        request: Position,
        amount: Amount,
        is_final: bool,
        contra: &mut ContraAccount,
    ) -> Result<HoldChange, Refusal> {
        let (at, hold) = self.open_hold(request).ok_or(Refusal::HoldNotFound)?;
        let left = hold.remaining - amount.minor_units();
        if left < 0 {
            return Err(Refusal::ExceedsHold { remaining: hold.remaining });
        }
        contra.post(amount.minor_units())?;
        self.balance -= amount.minor_units();
        let (remaining, released) = if is_final { (0, left) } else { (left, 0) };
        self.held -= hold.remaining - remaining;
        if remaining == 0 {
            self.holds.remove(at);
        } else {
            self.holds[at].remaining = remaining;
        }
        Ok(HoldChange { remaining, released })
    }

    pub(crate) fn release(&mut self, request: Position) -> Result<HoldChange, Refusal> {
        let (at, hold) = self.open_hold(request).ok_or(Refusal::HoldNotFound)?;
        self.holds.remove(at);
        self.held -= hold.remaining;
        Ok(HoldChange { remaining: 0, released: hold.remaining })
    }

    pub fn has_open_hold(&self, request: Position) -> bool {
        self.open_hold(request).is_some()
    }

    fn open_hold(&self, request: Position) -> Option<(usize, Hold)> {
        self.holds.iter().copied().enumerate().find(|(_, hold)| hold.request == request)
    }

    fn check_available(&self, amount: Amount) -> Result<(), Refusal> {
        let available = self.available();
        if amount.minor_units() <= available { Ok(()) } else { Err(Refusal::InsufficientFunds { available }) }
    }
}

/// The other side of deposits and withdrawals: one per currency and partition, so that no two settlers contend for it.
///
/// Its balance is 64 bits like every other: where it would not fit, the posting is refused, whoever's it is. It has room
/// for 1,024 of the largest deposits, and for as many more as withdrawals through the same partition make room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContraAccount {
    pub id: ContraId,
    /// Minor units; below zero by what came in through this partition and has not gone out through it.
    pub balance: i64,
    /// Postings ever made.
    pub postings: u64,
}

impl ContraAccount {
    pub const fn open(id: ContraId) -> Self {
        Self { id, balance: 0, postings: 0 }
    }

    /// The balance after a posting.
    fn balance_after(&self, change: i64) -> Result<i64, Refusal> {
        self.balance.checked_add(change).ok_or(Refusal::BalanceLimit)
    }

    pub(crate) fn check_deposit(&self, amount: Amount) -> Result<(), Refusal> {
        self.balance_after(-amount.minor_units()).map(drop)
    }

    fn post(&mut self, change: i64) -> Result<(), Refusal> {
        self.balance = self.balance_after(change)?;
        self.postings += 1;
        Ok(())
    }
}

/// `@world.<currency>.<partition>`: no customer's account id starts with '@'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContraId {
    pub currency: Currency,
    pub partition: Partition,
}

impl fmt::Display for ContraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@world.{}.{}", self.currency, self.partition)
    }
}

/// Text that does not name a contra account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a contra account's id is @world.<currency>.<partition>")]
pub struct InvalidContraId;

impl FromStr for ContraId {
    type Err = InvalidContraId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.strip_prefix("@world.").and_then(|rest| rest.split_once('.'));
        let read = |(currency, partition): (&str, &str)| {
            Some(Self { currency: currency.parse().ok()?, partition: partition.parse().ok()? })
        };
        parts.and_then(read).ok_or(InvalidContraId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contra_ids_read_back_and_nothing_else_does() {
        let id = ContraId { currency: "EUR".parse().unwrap(), partition: 3 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in
            ["", "alice", "@world", "@world.EUR", "@world.EUX.3", "@world.EUR.", "@world.EUR.65536", "world.EUR.3"]
        {
            assert_eq!(bad.parse::<ContraId>(), Err(InvalidContraId), "{bad:?}");
        }
    }
}
