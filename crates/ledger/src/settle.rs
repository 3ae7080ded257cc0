//! The fold: commands in the order of the log over the accounts they touch.
//!
//! For each command, in this order: holds that have expired by its time are given back; a known idempotency key is
//! answered with what it stands for; the account must be there (a first deposit opens it) and usable; the action is
//! carried out, or refused whole. Then the entry is written, whatever it says.

use crate::account::Account;
use crate::command::{Action, Command};
use crate::entry::{Balances, Entry, Outcome};
use crate::hold::ExpiredHold;
use crate::line::Line;
use crate::money::{Amount, Money};
use crate::position::Position;
use crate::refusal::Refusal;
use crate::timestamp::Timestamp;
use crate::worksheet::{KnownKey, NotRead, Worksheet};

/// The most outcomes that room is made for beforehand: those of an event of Lambda's.
const MOST_RESERVED: usize = 10_000;

/// Settles commands of one partition, in the order of the log, and says what became of each, in the same order.
///
/// # Errors
/// When a command asks for what the worksheet was never told of. The worksheet is of no use then.
pub fn settle(worksheet: &mut Worksheet, commands: impl IntoIterator<Item = Command>) -> Result<Vec<Outcome>, NotRead> {
    let commands = commands.into_iter();
    // Room for as many as there can be. Collecting results makes room for the fewest, and then moves them each time it grows.
    let mut outcomes = Vec::with_capacity(commands.size_hint().1.unwrap_or(0).min(MOST_RESERVED));
    for command in commands {
        outcomes.push(worksheet.settle(command)?);
    }
    Ok(outcomes)
}

impl Worksheet {
    fn settle(&mut self, command: Command) -> Result<Outcome, NotRead> {
        self.clock = self.clock.max(command.recorded_at);
        let expired = self.expire_holds(&command)?;
        let line = match self.answer_known_key(&command)? {
            Some(line) => line,
            None => {
                let line = self.carry_out(&command)?;
                self.remember_key_of(&command);
                line
            }
        };
        self.write(command, expired, line)
    }

    fn expire_holds(&mut self, command: &Command) -> Result<Vec<ExpiredHold>, NotRead> {
        let clock = self.clock;
        let Some(sheet) = self.account(&command.account)? else { return Ok(Vec::new()) };
        let expired: Vec<_> = sheet.account.expire_holds(clock).into_iter().map(ExpiredHold::from).collect();
        for hold in &expired {
            self.end_hold(&command.account, hold.request, (*hold).into());
        }
        Ok(expired)
    }

    fn answer_known_key(&self, command: &Command) -> Result<Option<Line>, NotRead> {
        let Some(idempotency) = &command.idempotency else { return Ok(None) };
        let Some(known) = self.known_key(&command.account, &idempotency.key)? else { return Ok(None) };
        let (asked, original) = (command.action.clone(), known.position);
        Ok(Some(if known.fingerprint == idempotency.fingerprint {
            Line::Replayed { asked, original }
        } else {
            Line::Refused { asked, refusal: Refusal::IdempotencyKeyReused { original } }
        }))
    }

    fn remember_key_of(&mut self, command: &Command) {
        if let Some(idempotency) = &command.idempotency {
            let (fingerprint, position) = (idempotency.fingerprint, command.position);
            let known = KnownKey { fingerprint, position, recorded_at: self.clock };
            self.remember_key(command.account.clone(), idempotency.key.clone(), known);
        }
    }

    /// The line that a command leaves which is no replay; the money it moves is on both sides then.
    fn carry_out(&mut self, command: &Command) -> Result<Line, NotRead> {
        if let (Action::Deposit(money), true) = (&command.action, self.policy.first_deposit_opens_account)
            && self.account(&command.account)?.is_none()
        {
            self.open_account(&command.account, money.currency);
        }
        let clock = self.clock;
        let done = match self.account(&command.account)? {
            Some(sheet) => act(&mut sheet.account, command, clock),
            None => Err(Refusal::AccountNotFound),
        };
        let line = match done {
            Ok(line) => line,
            Err(refusal) => Line::Refused { asked: command.action.clone(), refusal: self.explain(command, refusal)? },
        };
        let change = line.change().balance;
        if let (Some(money), true) = (command.action.money(), change != 0) {
            self.post_against(money.currency, change)?;
        }
        if let Some((request, end)) = line.ended_hold(command.position) {
            self.end_hold(&command.account, request, end);
        }
        Ok(line)
    }

    /// Of a hold that is not open, says how it ended.
    fn explain(&self, command: &Command, refusal: Refusal) -> Result<Refusal, NotRead> {
        match (refusal, command.action.request()) {
            (Refusal::HoldNotFound, Some(request)) => {
                Ok(self.ended_hold(&command.account, request)?.map_or(refusal, Refusal::from))
            }
            _ => Ok(refusal),
        }
    }

    fn write(&mut self, command: Command, expired: Vec<ExpiredHold>, line: Line) -> Result<Outcome, NotRead> {
        let (recorded_at, settled_at) = (self.clock, self.settled_at);
        let Command { position, account, reference, .. } = command;
        let mut entry = Entry {
            position,
            sequence: 0,
            recorded_at,
            settled_at,
            reference,
            expired,
            line,
            after: Balances::default(),
        };
        if let Some(sheet) = self.account(&account)? {
            sheet.account.sequence += 1;
            entry.sequence = sheet.account.sequence;
            entry.after = sheet.account.balances();
            sheet.write(entry.clone())?;
        }
        Ok(Outcome { account, entry })
    }
}

fn act(account: &mut Account, command: &Command, clock: Timestamp) -> Result<Line, Refusal> {
    account.check_usable(command.action.money())?;
    match command.action {
        Action::Deposit(money) => account.deposit(money.amount).map(|()| Line::Deposit { money }),
        Action::Withdrawal(money) => account.withdraw(money.amount).map(|()| Line::Withdrawal { money }),
        Action::WithdrawalRequest { money, expires_in_seconds } => {
            let expires_at = clock.plus_seconds(expires_in_seconds);
            account.place_hold(command.position, money.amount, expires_at)?;
            Ok(Line::Hold { money, expires_in_seconds, expires_at })
        }
        Action::Capture { request, money, is_final } => {
            let captured = account.capture(request, money.amount, is_final)?;
            Ok(Line::Capture { request, money, is_final, remaining: captured.remaining, released: captured.released })
        }
        Action::Release { request } => release(account, request),
    }
}

fn release(account: &mut Account, request: Position) -> Result<Line, Refusal> {
    let amount = account.release(request)?;
    // An open hold keeps at least 1, which `Account::check` sees to.
    let amount = Amount::from_books(amount).map_err(|_| Refusal::HoldNotFound)?;
    Ok(Line::Release { request, released: Money { amount, currency: account.currency } })
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tables;
