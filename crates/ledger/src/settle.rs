//! The fold: commands in the order of the log over the accounts they touch.
//!
//! For each command, in this order: holds that have expired by its time are given back; a known idempotency key is
//! answered with what it stands for; the account must be there (a first deposit opens it, unless it would be refused) and
//! usable; the action is carried out, or refused whole. Then the entry is written, whatever it says.

use std::collections::HashMap;

use crate::account::{Account, ContraAccount, ContraId};
use crate::book::{Book, KnownKey, OpenContra};
use crate::command::{Action, Command};
use crate::entry::{Entry, EntryStatus, Outcome};
use crate::hold::HoldEnd;
use crate::money::{Amount, Currency, Money};
use crate::position::{Partition, Position};
use crate::refusal::Refusal;
use crate::timestamp::Timestamp;

/// Settles commands of one partition, in the order of the log, and says what became of each, in the same order.
pub fn settle(book: &mut Book, commands: impl IntoIterator<Item = Command>) -> Vec<Outcome> {
    commands.into_iter().map(|command| book.settle(command)).collect()
}

/// What a carried-out action leaves in its entry beside what the command said.
#[derive(Debug, Default)]
struct Posted {
    remaining: Option<i64>,
    expires_at: Option<Timestamp>,
    released: Option<i64>,
}

impl Book {
    fn settle(&mut self, command: Command) -> Outcome {
        self.clock = self.clock.max(command.recorded_at);
        self.expire_holds(&command);
        let (status, posted) = match self.answer_known_key(&command) {
            Some(status) => (status, Posted::default()),
            None => {
                let result = self.carry_out(&command);
                self.remember_key_of(&command);
                match result {
                    Ok(posted) => (EntryStatus::Posted, posted),
                    Err(refusal) => (EntryStatus::Refused(refusal), Posted::default()),
                }
            }
        };
        self.write(command, status, posted)
    }

    fn expire_holds(&mut self, command: &Command) {
        let Some(book) = self.accounts.get_mut(&command.account) else { return };
        for hold in book.account.expire_holds(self.clock) {
            self.add_ended_hold(command.account.clone(), hold.request, hold.expired());
        }
    }

    fn answer_known_key(&self, command: &Command) -> Option<EntryStatus> {
        let idempotency = command.idempotency.as_ref()?;
        let known = self.known_key(&command.account, &idempotency.key)?;
        Some(if known.fingerprint == idempotency.fingerprint {
            EntryStatus::Replayed { original: known.position }
        } else {
            EntryStatus::Refused(Refusal::IdempotencyKeyReused { original: known.position })
        })
    }

    fn remember_key_of(&mut self, command: &Command) {
        if let Some(idempotency) = &command.idempotency {
            let known = KnownKey { fingerprint: idempotency.fingerprint, position: command.position };
            self.remember_key(command.account.clone(), idempotency.key.clone(), known);
        }
    }

    fn carry_out(&mut self, command: &Command) -> Result<Posted, Refusal> {
        if let (Action::Deposit(money), true) = (&command.action, self.policy.first_deposit_opens_account)
            && !self.accounts.contains_key(&command.account)
        {
            contra(&mut self.contra, money.currency, self.partition).check_deposit(money.amount)?;
            self.open_account(command.account.clone(), money.currency);
        }
        let book = self.accounts.get_mut(&command.account).ok_or(Refusal::AccountNotFound)?;
        let account = &mut book.account;
        account.check_usable(command.action.money())?;
        let contra = contra(&mut self.contra, account.currency, self.partition);
        let done = match command.action {
            Action::Deposit(money) => account.deposit(money.amount, contra).map(|()| Posted::default()),
            Action::Withdrawal(money) => account.withdraw(money.amount, contra).map(|()| Posted::default()),
            Action::WithdrawalRequest { money, expires_in_seconds } => {
                place_hold(account, command.position, money, self.clock.plus_seconds(expires_in_seconds))
            }
            Action::Capture { request, money, is_final } => account
                .capture(request, money.amount, is_final, contra)
                .map(|change| Posted { remaining: Some(change.remaining), ..Posted::default() }),
            Action::Release { request } => account.release(request).map(|change| Posted {
                remaining: Some(change.remaining),
                released: Some(change.released),
                ..Posted::default()
            }),
        };
        self.account_for_hold(command, done)
    }

    /// Remembers a hold that ended here, and says of one that had ended before how it did.
    fn account_for_hold(&mut self, command: &Command, done: Result<Posted, Refusal>) -> Result<Posted, Refusal> {
        let Some(request) = command.action.request() else { return done };
        match (&done, &command.action) {
            (Err(Refusal::HoldNotFound), _) => {
                Err(self.ended_hold(&command.account, request).map_or(Refusal::HoldNotFound, Refusal::from))
            }
            (Ok(Posted { remaining: Some(0), .. }), action) => {
                let by = command.position;
                let end = match action {
                    Action::Release { .. } => HoldEnd::Released { by },
                    _ => HoldEnd::Captured { by },
                };
                self.add_ended_hold(command.account.clone(), request, end);
                done
            }
            _ => done,
        }
    }

    fn write(&mut self, command: Command, status: EntryStatus, posted: Posted) -> Outcome {
        let book = self.accounts.get_mut(&command.account);
        let (balance, held, available, sequence) = match &book {
            Some(book) => {
                let account = &book.account;
                (account.balance, account.held, account.available(), account.sequence + 1)
            }
            None => (0, 0, 0, 0),
        };
        let released = posted.released.zip(book.as_ref()).and_then(|(released, book)| {
            Some(Money { amount: Amount::from_books(released).ok()?, currency: book.account.currency })
        });
        let entry = Entry {
            position: command.position,
            sequence,
            kind: command.action.kind(),
            status,
            money: command.action.money().or(released),
            request: command.action.request(),
            remaining: posted.remaining,
            expires_at: posted.expires_at,
            reference: command.reference,
            balance,
            held,
            available,
            recorded_at: self.clock,
            settled_at: self.settled_at,
        };
        if let Some(book) = book {
            book.account.sequence = sequence;
            book.write(entry.clone());
        }
        Outcome { account: command.account, entry }
    }
}

fn contra(contra: &mut HashMap<Currency, OpenContra>, currency: Currency, partition: Partition) -> &mut ContraAccount {
    &mut contra.entry(currency).or_insert_with(|| OpenContra::open(ContraId { currency, partition })).account
}

fn place_hold(
    account: &mut Account,
    request: Position,
    money: Money,
    expires_at: Timestamp,
) -> Result<Posted, Refusal> {
    account.place_hold(request, money.amount, expires_at)?;
    Ok(Posted { remaining: Some(money.amount.minor_units()), expires_at: Some(expires_at), released: None })
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tables;
