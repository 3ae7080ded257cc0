//! What stands around a command in its record: the version, the generation, the idempotency key.

use std::fmt;

use ledger::{Generation, IdempotencyKey};
use serde::Serialize;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};

use super::{Unreadable, VERSION};
use crate::fault::FieldFault;
use crate::said::{AnyValue, Given, Name, Object, Oddity, Said};

/// A record as it is written.
#[derive(Serialize)]
pub(super) struct Written<'a> {
    pub(super) v: u16,
    pub(super) generation: Generation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idempotency_key: Option<&'a str>,
    pub(super) command: Said<'a>,
}

/// A record as it is read: of this version, and its own fields checked.
pub(super) struct Envelope<'a> {
    pub(super) generation: Generation,
    pub(super) idempotency_key: Option<IdempotencyKey>,
    pub(super) command: Said<'a>,
}

/// What the object says, unchecked.
#[derive(Default)]
struct Sent<'a> {
    v: Option<Given<'a>>,
    generation: Option<Given<'a>>,
    idempotency_key: Option<Given<'a>>,
    command: Option<Said<'a>>,
    oddity: Option<Oddity>,
}

impl<'a> Envelope<'a> {
    pub(super) fn read(value: &'a [u8]) -> Result<Self, Unreadable> {
        // Whatever else is odd about a record, another version says more.
        Self::read_this_version(value).map_err(|fault| match version_of(value) {
            Some(version) if version != u64::from(VERSION) => {
                Unreadable::new(format_args!("version {version} is not known, only {VERSION} is"))
            }
            _ => fault,
        })
    }

    fn read_this_version(value: &'a [u8]) -> Result<Self, Unreadable> {
        let sent = Sent::read(value)?;
        if let Some(oddity) = sent.oddity {
            return Err(oddity.fault("a record").into());
        }
        if whole("v", sent.v)? != VERSION {
            return Err(FieldFault::new("v", format_args!("is {VERSION}")).into());
        }
        let generation = whole("generation", sent.generation)?;
        if generation == 0 {
            return Err(FieldFault::new("generation", "is counted from 1 on, not 0").into());
        }
        let command = sent.command.ok_or_else(|| FieldFault::new("command", "is missing"))?;
        Ok(Self { generation, idempotency_key: key(sent.idempotency_key)?, command })
    }
}

impl<'a> Sent<'a> {
    fn read(value: &'a [u8]) -> Result<Self, Unreadable> {
        let mut at = None;
        let mut json = serde_json::Deserializer::from_slice(value);
        let read = json.deserialize_map(Fields { at: &mut at });
        read.and_then(|sent| json.end().map(|()| sent)).map_err(|fault| match at {
            Some(name) => FieldFault::new(&name, format_args!("cannot be read: {fault}")).into(),
            None => Unreadable::new(format_args!("not a record of a command: {fault}")),
        })
    }
}

struct Fields<'a> {
    at: &'a mut Option<String>,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Sent<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sent<'de>, A::Error> {
        let mut sent = Sent::default();
        while let Some(Name(name)) = map.next_key()? {
            let is_new = match &*name {
                "v" => say(&mut sent.v, map.next_value_seed(AnyValue)?),
                "generation" => say(&mut sent.generation, map.next_value_seed(AnyValue)?),
                "idempotency_key" => say(&mut sent.idempotency_key, map.next_value_seed(AnyValue)?),
                "command" => say(&mut sent.command, map.next_value_seed(Object { at: self.at })?),
                _ => {
                    let IgnoredAny = map.next_value()?;
                    sent.oddity.get_or_insert_with(|| Oddity::Unknown(name.clone().into_owned()));
                    true
                }
            };
            if !is_new {
                sent.oddity.get_or_insert_with(|| Oddity::Repeated(name.into_owned()));
            }
        }
        Ok(sent)
    }
}

/// Whether nothing had been said.
fn say<T>(place: &mut Option<T>, value: T) -> bool {
    place.replace(value).is_none()
}

fn whole(name: &str, given: Option<Given<'_>>) -> Result<u16, FieldFault> {
    match given {
        None => Err(FieldFault::new(name, "is missing")),
        Some(Given::Number(number)) => {
            let whole = number.as_u64().and_then(|number| number.try_into().ok());
            whole.ok_or_else(|| FieldFault::new(name, format_args!("is a whole number up to 65535, not {number}")))
        }
        Some(other) => Err(FieldFault::new(name, format_args!("must be a number, not {}", other.kind()))),
    }
}

fn key(given: Option<Given<'_>>) -> Result<Option<IdempotencyKey>, FieldFault> {
    const NAME: &str = "idempotency_key";
    match given {
        None => Ok(None),
        Some(Given::Text(text)) => text.parse().map(Some).map_err(|rule| FieldFault::new(NAME, rule)),
        Some(other) => Err(FieldFault::new(NAME, format_args!("must be a string, not {}", other.kind()))),
    }
}

/// The version of an object that says one. Only for what cannot be read, since it reads all of it again.
fn version_of(value: &[u8]) -> Option<u64> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(value).ok()?;
    object.get("v")?.as_u64()
}
