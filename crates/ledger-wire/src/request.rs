//! What a client asks for: the body of `POST /transaction`.
//!
//! | type | fields beside `type`, `account` and, if wished, `reference` |
//! |---|---|
//! | `deposit` | `amount`, `currency` |
//! | `withdrawal_request` | `amount`, `currency`, `expires_in_seconds` (1 to a year; 7 days unless told) |
//! | `withdrawal` | `amount`, `currency`; to capture a hold: `request`, `final` (true unless told) |
//! | `release` | `request` |
//!
//! Any other field is refused, as is any field twice.

use std::fmt::Display;
use std::str::FromStr;

use ledger::{
    AccountId, Action, Amount, Currency, IdempotencyKey, InvalidAmount, Kind, Money, Position, Reference, TransactionId,
};

use crate::fields::{FieldFault, Fields};

/// How long a hold lasts unless the request says otherwise: 7 days.
pub const DEFAULT_HOLD_SECONDS: u32 = 7 * 24 * 60 * 60;
/// The longest a hold can be asked for: 366 days.
pub const LONGEST_HOLD_SECONDS: u32 = 366 * 24 * 60 * 60;

/// A command before it has a place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommand {
    pub account: AccountId,
    pub action: Action,
    pub reference: Option<Reference>,
    pub idempotency_key: Option<IdempotencyKey>,
}

impl NewCommand {
    /// Reads the body of a request. The idempotency key comes with a header, so the caller adds it.
    ///
    /// # Errors
    /// The first fault found, with its field; checked in the order of the table above.
    pub fn from_body(bytes: &[u8]) -> Result<Self, FieldFault> {
        let mut fields = Fields::read(bytes)?;
        let kind = take_kind(&mut fields)?;
        let account: AccountId = take_parsed(&mut fields, "account")?.ok_or_else(|| required("account"))?;
        let action = take_action(kind, &account, &mut fields)?;
        let reference: Option<Reference> = take_parsed(&mut fields, "reference")?;
        fields.finish(&format!("a {kind}"))?;
        Ok(Self { account, action, reference, idempotency_key: None })
    }
}

fn take_kind(fields: &mut Fields) -> Result<Kind, FieldFault> {
    let known = || format!("must be one of {}", Kind::ALL.map(Kind::name).join(", "));
    let name =
        fields.take_text("type")?.ok_or_else(|| FieldFault::new("type", format_args!("is missing; it {}", known())))?;
    Kind::from_name(&name).ok_or_else(|| FieldFault::new("type", known()))
}

fn take_action(kind: Kind, account: &AccountId, fields: &mut Fields) -> Result<Action, FieldFault> {
    Ok(match kind {
        Kind::Deposit => Action::Deposit(take_money(fields)?),
        Kind::WithdrawalRequest => {
            let money = take_money(fields)?;
            Action::WithdrawalRequest { money, expires_in_seconds: take_expiry(fields)? }
        }
        Kind::Withdrawal => {
            let money = take_money(fields)?;
            match (take_request(account, fields)?, fields.take_flag("final")?) {
                (Some(request), is_final) => Action::Capture { request, money, is_final: is_final.unwrap_or(true) },
                (None, None) => Action::Withdrawal(money),
                (None, Some(_)) => {
                    return Err(FieldFault::new("final", "goes with request only; name the request or leave it out"));
                }
            }
        }
        Kind::Release => {
            Action::Release { request: take_request(account, fields)?.ok_or_else(|| required("request"))? }
        }
    })
}

fn take_money(fields: &mut Fields) -> Result<Money, FieldFault> {
    let rule = InvalidAmount.to_string();
    let minor_units = fields.take_number("amount", &rule)?.ok_or_else(|| required("amount"))?;
    let amount = Amount::new(minor_units)
        .map_err(|rule| FieldFault::new("amount", format_args!("{rule}, not {minor_units}")))?;
    let currency: Currency = take_parsed(fields, "currency")?.ok_or_else(|| required("currency"))?;
    Ok(Money { amount, currency })
}

fn take_expiry(fields: &mut Fields) -> Result<u32, FieldFault> {
    let rule = InvalidHoldSeconds.to_string();
    match fields.take_number("expires_in_seconds", &rule)? {
        None => Ok(DEFAULT_HOLD_SECONDS),
        Some(seconds) => hold_seconds(seconds)
            .map_err(|rule| FieldFault::new("expires_in_seconds", format_args!("{rule}, not {seconds}"))),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("is a whole number of seconds from 1 to {LONGEST_HOLD_SECONDS}")]
pub(crate) struct InvalidHoldSeconds;

pub(crate) fn hold_seconds(seconds: i64) -> Result<u32, InvalidHoldSeconds> {
    let seconds = u32::try_from(seconds).map_err(|_| InvalidHoldSeconds)?;
    if (1..=LONGEST_HOLD_SECONDS).contains(&seconds) { Ok(seconds) } else { Err(InvalidHoldSeconds) }
}

fn take_request(account: &AccountId, fields: &mut Fields) -> Result<Option<Position>, FieldFault> {
    let Some(id) = take_parsed::<TransactionId>(fields, "request")? else { return Ok(None) };
    if id.account == *account {
        Ok(Some(id.position))
    } else {
        Err(FieldFault::new("request", format_args!("is a withdrawal_request of {}, not of {account}", id.account)))
    }
}

fn take_parsed<T: FromStr<Err: Display>>(fields: &mut Fields, name: &str) -> Result<Option<T>, FieldFault> {
    fields.take_text(name)?.map(|text| text.parse().map_err(|rule| FieldFault::new(name, rule))).transpose()
}

fn required(name: &str) -> FieldFault {
    FieldFault::new(name, "is missing")
}

#[cfg(test)]
mod tests;
