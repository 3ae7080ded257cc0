//! What a JSON object says of the fields of a command, before anybody asks whether it may.
//!
//! An object is read once, front to back, and strings are borrowed from it where they can be. What belongs to no field is
//! passed over and only the first of it is kept, so what is held is bounded by the fields there are.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Number;

use crate::fault::FieldFault;
use crate::grammar::{Field, Plain};

/// A value, as far as commands have such.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Given<'a> {
    Null,
    Flag(bool),
    Number(Number),
    Text(Cow<'a, str>),
    /// An array or an object, by its name; never written.
    Other(&'static str),
}

/// The fields of an object; of a field that stands there twice, the first.
#[derive(Debug, Default)]
pub(crate) struct Said<'a> {
    values: [Option<Given<'a>>; Field::ALL.len()],
    pub(crate) oddity: Option<Oddity>,
}

/// The first name that has no place in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Oddity {
    Unknown(String),
    Repeated(String),
}

/// A name in an object.
#[derive(Deserialize)]
pub(crate) struct Name<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl Given<'_> {
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Flag(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::Other(kind) => kind,
        }
    }
}

impl From<Plain> for Given<'_> {
    fn from(plain: Plain) -> Self {
        match plain {
            Plain::Whole(number) => Self::Number(number.into()),
            Plain::Flag(flag) => Self::Flag(flag),
        }
    }
}

impl Oddity {
    /// The fault that it is in `context`.
    pub(crate) fn fault(&self, context: &str) -> FieldFault {
        match self {
            Self::Unknown(name) => FieldFault::new(name, format_args!("is not a field of {context}; leave it out")),
            Self::Repeated(name) => FieldFault::new(name, "stands more than once; send it once"),
        }
    }
}

impl<'a> Said<'a> {
    pub(crate) const fn get(&self, field: Field) -> Option<&Given<'a>> {
        self.values[field as usize].as_ref()
    }

    pub(crate) fn set(&mut self, field: Field, value: Option<Given<'a>>) {
        self.values[field as usize] = value;
    }

    /// Says a value, unless it has been said.
    fn say(&mut self, field: Field, value: Given<'a>) {
        match &mut self.values[field as usize] {
            place @ None => *place = Some(value),
            Some(_) => self.find_odd(Oddity::Repeated(field.name().to_owned())),
        }
    }

    fn find_odd(&mut self, oddity: Oddity) {
        self.oddity.get_or_insert(oddity);
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = (Field, &Given<'a>)> {
        Field::ALL.into_iter().filter_map(|field| Some((field, self.get(field)?)))
    }
}

/// Reads the fields of an object that has been entered, and keeps the name of the one it is at: the one at fault, when a
/// value cannot be read.
fn read_fields<'de, A: MapAccess<'de>>(mut map: A, at: &mut Option<String>) -> Result<Said<'de>, A::Error> {
    let mut said = Said::default();
    while let Some(Name(name)) = map.next_key()? {
        let value = match Field::from_name(&name) {
            Some(field) => map.next_value_seed(AnyValue).map(|value| said.say(field, value)),
            None => map.next_value().map(|IgnoredAny| said.find_odd(Oddity::Unknown(name.clone().into_owned()))),
        };
        if let Err(fault) = value {
            *at = Some(name.into_owned());
            return Err(fault);
        }
    }
    Ok(said)
}

/// Reads whatever stands there.
pub(crate) struct AnyValue;

impl<'de> DeserializeSeed<'de> for AnyValue {
    type Value = Given<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Given<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Given<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Given<'de>, E> {
        Ok(Given::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Given<'de>, E> {
        Ok(Given::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Given<'de>, E> {
        Ok(Given::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Given<'de>, E> {
        Ok(Given::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Given<'de>, E> {
        // JSON has no number that is none.
        Ok(Number::from_f64(number).map_or(Given::Null, Given::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Given<'de>, E> {
        Ok(Given::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Given<'de>, E> {
        Ok(Given::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Given<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Given::Other("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Given::Other("an object"))
    }
}

/// Reads an object, and nothing else.
pub(crate) struct Object<'a> {
    pub(crate) at: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Said<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Said<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Said<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Said<'de>, A::Error> {
        read_fields(map, self.at)
    }
}

impl Serialize for Said<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.fields().map(|(field, value)| (field.name(), value)))
    }
}
