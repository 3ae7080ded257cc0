//! A command as a record of the log: versioned JSON, keyed by the account.
//!
//! ```json
//! {"v":1,"generation":1,"idempotency_key":"…","command":{"type":"deposit","account":"alice","amount":100,"currency":"EUR"}}
//! ```
//!
//! The generation stands in the record, since a partition and an offset mean nothing without it. A record that cannot be
//! read is [`Unreadable`], with the reason; it is set aside and never blocks its partition.

use std::borrow::Cow;
use std::fmt::Display;

use ledger::{
    AccountId, Action, Amount, Command, Fingerprint, Generation, Idempotency, IdempotencyKey, Kind, Money, Offset,
    Partition, Position, Reference, Timestamp,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::request::NewCommand;

/// The version of the records that this program writes; it reads no other.
pub const VERSION: u16 = 1;

/// Where and when a record stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub partition: Partition,
    pub offset: Offset,
    pub recorded_at: Timestamp,
}

/// Why a record is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

#[derive(Debug, Serialize, Deserialize)]
struct Record<'a> {
    v: u16,
    generation: Generation,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    command: Body<'a>,
}

/// The part of a record that its idempotency key stands for.
#[derive(Debug, Serialize, Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    account: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<i64>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    currency: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_seconds: Option<u32>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    request: Option<Cow<'a, str>>,
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    is_final: Option<bool>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    reference: Option<Cow<'a, str>>,
}

/// The record's value. Its key is the account's id.
pub fn encode(command: &NewCommand, generation: Generation) -> Vec<u8> {
    let record = Record {
        v: VERSION,
        generation,
        idempotency_key: command.idempotency_key.as_ref().map(|key| key.as_str().into()),
        command: Body::of(command),
    };
    to_json(&record)
}

/// Reads a record back.
///
/// # Errors
/// [`Unreadable`] for a tombstone, for what is not JSON of this version, for a value that the HTTP door would have
/// refused, and for a record whose key is not its account: it would not be in order with the account's other commands.
pub fn decode(place: Place, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Command, Unreadable> {
    let value = value.ok_or_else(|| Unreadable("the record has no value".to_owned()))?;
    let record: Record<'_> = serde_json::from_slice(value).map_err(|fault| match version_of(value) {
        Some(version) if version != VERSION => Unreadable(format!("version {version} is not known, only {VERSION} is")),
        _ => Unreadable(format!("not a record of a command: {fault}")),
    })?;
    if record.v != VERSION {
        return Err(Unreadable(format!("version {} is not known, only {VERSION} is", record.v)));
    }
    if key != Some(record.command.account.as_bytes()) {
        return Err(Unreadable(format!("the record's key is not its account, {}", record.command.account)));
    }
    let idempotency = record
        .idempotency_key
        .map(|key| {
            Ok(Idempotency {
                key: parsed::<IdempotencyKey>("idempotency_key", &key)?,
                fingerprint: record.command.fingerprint(),
            })
        })
        .transpose()?;
    Ok(Command {
        position: Position::new(record.generation, place.partition, place.offset)
            .map_err(|fault| Unreadable(fault.to_string()))?,
        recorded_at: place.recorded_at,
        account: parsed::<AccountId>("account", &record.command.account)?,
        action: record.command.action()?,
        reference: record.command.reference.map(|text| parsed::<Reference>("reference", &text)).transpose()?,
        idempotency,
    })
}

impl<'a> Body<'a> {
    fn of(command: &'a NewCommand) -> Self {
        let money = command.action.money();
        let (expires_in_seconds, is_final) = match command.action {
            Action::WithdrawalRequest { expires_in_seconds, .. } => (Some(expires_in_seconds), None),
            Action::Capture { is_final, .. } => (None, Some(is_final)),
            Action::Deposit(_) | Action::Withdrawal(_) | Action::Release { .. } => (None, None),
        };
        Self {
            r#type: command.action.kind().name().into(),
            account: command.account.as_str().into(),
            amount: money.map(|money| money.amount.minor_units()),
            currency: money.map(|money| money.currency.code().into()),
            expires_in_seconds,
            request: command.action.request().map(|request| request.to_string().into()),
            is_final,
            reference: command.reference.as_ref().map(|reference| reference.as_str().into()),
        }
    }

    fn action(&self) -> Result<Action, Unreadable> {
        let kind =
            Kind::from_name(&self.r#type).ok_or_else(|| Unreadable(format!("type: {} is not known", self.r#type)))?;
        Ok(match (kind, self.request()?) {
            (Kind::Deposit, _) => Action::Deposit(self.money()?),
            (Kind::WithdrawalRequest, _) => Action::WithdrawalRequest {
                money: self.money()?,
                expires_in_seconds: present("expires_in_seconds", self.expires_in_seconds)?,
            },
            (Kind::Withdrawal, None) => Action::Withdrawal(self.money()?),
            (Kind::Withdrawal, Some(request)) => {
                Action::Capture { request, money: self.money()?, is_final: present("final", self.is_final)? }
            }
            (Kind::Release, request) => Action::Release { request: present("request", request)? },
        })
    }

    fn money(&self) -> Result<Money, Unreadable> {
        let amount =
            Amount::new(present("amount", self.amount)?).map_err(|fault| Unreadable(format!("amount: {fault}")))?;
        let currency = parsed("currency", present("currency", self.currency.as_deref())?)?;
        Ok(Money { amount, currency })
    }

    fn request(&self) -> Result<Option<Position>, Unreadable> {
        self.request.as_deref().map(|text| parsed("request", text)).transpose()
    }

    fn fingerprint(&self) -> Fingerprint {
        Sha256::digest(to_json(self)).into()
    }
}

fn version_of(value: &[u8]) -> Option<u16> {
    #[derive(Deserialize)]
    struct Version {
        v: u16,
    }
    serde_json::from_slice::<Version>(value).ok().map(|version| version.v)
}

fn present<T>(name: &str, value: Option<T>) -> Result<T, Unreadable> {
    value.ok_or_else(|| Unreadable(format!("{name}: is missing")))
}

fn parsed<T: std::str::FromStr<Err: Display>>(name: &str, text: &str) -> Result<T, Unreadable> {
    text.parse().map_err(|fault| Unreadable(format!("{name}: {fault}")))
}

#[expect(clippy::expect_used, reason = "plain structs of strings and integers always serialize")]
fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("JSON of plain values")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { partition: 3, offset: 9, recorded_at: Timestamp::from_epoch_ms(1_700_000_000_000) };

    fn bodies() -> Vec<NewCommand> {
        [
            r#"{"type":"deposit","account":"alice","amount":2500,"currency":"EUR","reference":"invoice 7 \"x\" é"}"#,
            r#"{"type":"withdrawal_request","account":"alice","amount":5,"currency":"EUR","expires_in_seconds":60}"#,
            r#"{"type":"withdrawal","account":"alice","amount":5,"currency":"EUR"}"#,
            r#"{"type":"withdrawal","account":"alice","amount":5,"currency":"EUR","request":"alice.000g000000000007","final":false}"#,
            r#"{"type":"release","account":"alice","request":"alice.000g000000000007"}"#,
        ]
        .map(|body| NewCommand::from_body(body.as_bytes()).unwrap())
        .into()
    }

    #[test]
    fn what_is_written_reads_back() {
        for mut new in bodies() {
            new.idempotency_key = Some("k-1".parse().unwrap());
            let command = decode(PLACE, Some(b"alice"), Some(&encode(&new, 7))).unwrap();
            assert_eq!((command.account, command.action, command.reference), (new.account, new.action, new.reference));
            assert_eq!(command.position, Position::new(7, 3, 9).unwrap());
            assert_eq!(command.recorded_at, PLACE.recorded_at);
            assert_eq!(command.idempotency.map(|idempotency| idempotency.key), new.idempotency_key);
        }
    }

    #[test]
    fn the_fingerprint_is_of_the_command_alone() {
        let fingerprint = |new: &NewCommand, generation| {
            decode(PLACE, Some(b"alice"), Some(&encode(new, generation))).unwrap().idempotency.unwrap().fingerprint
        };
        let mut all = bodies();
        for new in &mut all {
            new.idempotency_key = Some("k".parse().unwrap());
        }
        assert_eq!(fingerprint(&all[0], 1), fingerprint(&all[0], 2));
        assert_ne!(fingerprint(&all[0], 1), fingerprint(&all[1], 1));
    }

    #[test]
    fn what_is_no_command_says_why() {
        let good = encode(&bodies()[0], 1);
        let of = |value: &[u8]| decode(PLACE, Some(b"alice"), Some(value)).unwrap_err().to_string();
        assert_eq!(decode(PLACE, Some(b"alice"), None).unwrap_err().to_string(), "the record has no value");
        assert_eq!(
            decode(PLACE, None, Some(&good)).unwrap_err().to_string(),
            "the record's key is not its account, alice"
        );
        assert!(of(b"\xff\xfe").starts_with("not a record of a command"));
        assert_eq!(of(br#"{"v":2,"entirely":"different"}"#), "version 2 is not known, only 1 is");
        let with = |from: &str, to: &str| of(String::from_utf8_lossy(&good).replace(from, to).as_bytes());
        assert!(with("2500", "-1").starts_with("amount: "));
        assert!(with("EUR", "EUX").starts_with("currency: "));
        assert_eq!(with("deposit", "gift"), "type: gift is not known");
        assert_eq!(with("\"amount\":2500,", ""), "amount: is missing");
    }
}
