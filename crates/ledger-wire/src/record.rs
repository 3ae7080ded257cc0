//! A command as a record of the log: versioned JSON, keyed by the account.
//!
//! ```json
//! {"v":1,"generation":1,"idempotency_key":"…","command":{"type":"deposit","account":"alice","amount":100,"currency":"EUR"}}
//! ```
//!
//! The generation stands in the record, since a partition and an offset mean nothing without it. A record that cannot be
//! read is [`Unreadable`], with the reason; it is set aside, bytes and all, and never blocks its partition.
//!
//! A version is closed. A record is read by the rules of the HTTP door, and a field that the version does not know makes it
//! unreadable: it was written to mean something, and to leave it out would be to carry out another command than was
//! accepted. So a new field, or a new meaning, is a new version, and the program that reads a version has to be there before
//! the one that writes it: deploy `settler` before `api`.

use std::borrow::Cow;
use std::fmt::Display;

use ledger::{
    AccountId, Action, Amount, Command, Fingerprint, Generation, Idempotency, IdempotencyKey, Kind, Money, Offset,
    Partition, Position, Reference, Timestamp,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::request::{NewCommand, hold_seconds};

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
#[serde(deny_unknown_fields)]
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
#[serde(deny_unknown_fields)]
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
    expires_in_seconds: Option<i64>,
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
/// [`Unreadable`] for a tombstone, for what is not JSON of this version and of nothing else, for a field or a value that the
/// HTTP door would have refused (a door from before a bound may have let it in), and for a record whose key is not its
/// account: it would not be in order with the account's other commands.
pub fn decode(place: Place, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Command, Unreadable> {
    let value = value.ok_or_else(|| Unreadable("the record has no value".to_owned()))?;
    let record: Record<'_> = serde_json::from_slice(value).map_err(|fault| match version_of(value) {
        Some(version) if version != VERSION => Unreadable(format!("version {version} is not known, only {VERSION} is")),
        _ => Unreadable(format!("not a record of a command: {fault}")),
    })?;
    if record.v != VERSION {
        return Err(Unreadable(format!("version {} is not known, only {VERSION} is", record.v)));
    }
    if record.generation == 0 {
        return Err(Unreadable("generation: is counted from 1 on, not 0".to_owned()));
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
            Action::WithdrawalRequest { expires_in_seconds, .. } => (Some(expires_in_seconds.into()), None),
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
        let action = match (kind, self.request()?) {
            (Kind::Deposit, _) => Action::Deposit(self.money()?),
            (Kind::WithdrawalRequest, _) => Action::WithdrawalRequest {
                money: self.money()?,
                expires_in_seconds: hold_seconds(present("expires_in_seconds", self.expires_in_seconds)?)
                    .map_err(|fault| Unreadable(format!("expires_in_seconds: {fault}")))?,
            },
            (Kind::Withdrawal, None) => Action::Withdrawal(self.money()?),
            (Kind::Withdrawal, Some(request)) => {
                Action::Capture { request, money: self.money()?, is_final: present("final", self.is_final)? }
            }
            (Kind::Release, request) => Action::Release { request: present("request", request)? },
        };
        self.check_fields_of(&action)?;
        Ok(action)
    }

    /// Refuses a field that the action has no use for.
    fn check_fields_of(&self, action: &Action) -> Result<(), Unreadable> {
        let is_request = matches!(action, Action::WithdrawalRequest { .. });
        let is_capture = matches!(action, Action::Capture { .. });
        let fields = [
            ("amount", self.amount.is_some(), action.money().is_some()),
            ("currency", self.currency.is_some(), action.money().is_some()),
            ("expires_in_seconds", self.expires_in_seconds.is_some(), is_request),
            ("request", self.request.is_some(), action.request().is_some()),
            ("final", self.is_final.is_some(), is_capture),
        ];
        match fields.into_iter().find(|(_, is_there, belongs)| *is_there && !belongs) {
            Some((name, ..)) => Err(Unreadable(format!("{name}: is not a field of this {}", action.kind()))),
            None => Ok(()),
        }
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
        assert_eq!(with("\"generation\":1", "\"generation\":0"), "generation: is counted from 1 on, not 0");
        assert!(with("\"v\":1", "\"v\":70000").starts_with("not a record of a command"));
        assert!(with("2500", "-1").starts_with("amount: "));
        assert!(with("EUR", "EUX").starts_with("currency: "));
        assert_eq!(with("deposit", "gift"), "type: gift is not known");
        assert_eq!(with("\"amount\":2500,", ""), "amount: is missing");
    }

    #[test]
    fn what_the_door_would_refuse_is_unreadable() {
        let of = |place: usize, from: &str, to: &str| {
            let good = String::from_utf8(encode(&bodies()[place], 1)).unwrap();
            assert!(good.contains(from), "{good}");
            decode(PLACE, Some(b"alice"), Some(good.replace(from, to).as_bytes())).unwrap_err().to_string()
        };
        let (deposit, hold, withdrawal, release) = (0, 1, 2, 4);
        for (said, expected) in [
            (of(deposit, "2500", "9007199254740992"), "amount: an amount is a whole number of minor units"),
            (of(hold, ":60", ":0"), "expires_in_seconds: is a whole number of seconds from 1 to 31622400"),
            (of(hold, ":60", ":31622401"), "expires_in_seconds: is a whole number of seconds from 1 to 31622400"),
            (of(hold, ":60", ":-1"), "expires_in_seconds: is a whole number of seconds from 1 to 31622400"),
            (of(deposit, "EUR\"", "EUR\",\"colour\":\"red\""), "not a record of a command: unknown field `colour`"),
            (of(deposit, "\"v\":1", "\"v\":1,\"colour\":1"), "not a record of a command: unknown field `colour`"),
            (of(deposit, "EUR\"", "EUR\",\"final\":true"), "final: is not a field of this deposit"),
            (of(withdrawal, "EUR\"", "EUR\",\"final\":true"), "final: is not a field of this withdrawal"),
            (of(deposit, "EUR\"", "EUR\",\"request\":\"000g000000000007\""), "request: is not a field of this deposit"),
            (
                of(deposit, "EUR\"", "EUR\",\"expires_in_seconds\":60"),
                "expires_in_seconds: is not a field of this deposit",
            ),
            (of(release, "alice\"", "alice\",\"amount\":1"), "amount: is not a field of this release"),
        ] {
            assert!(said.starts_with(expected), "{said}, not {expected}");
        }
    }

    #[test]
    fn a_field_of_a_later_version_is_said_to_be_of_that_version() {
        let good = String::from_utf8(encode(&bodies()[0], 1)).unwrap();
        let later = good.replace("\"v\":1", "\"v\":2,\"colour\":\"red\"");
        let said = decode(PLACE, Some(b"alice"), Some(later.as_bytes())).unwrap_err().to_string();
        assert_eq!(said, "version 2 is not known, only 1 is");
    }
}
