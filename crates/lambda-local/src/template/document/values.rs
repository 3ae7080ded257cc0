//! YAML's events as values, counted: an alias may name a list of aliases, and so on, and a few lines stand for more than
//! any memory holds.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_json::{Map, Value};

use super::{long_form, merge};
use crate::template::problems::Findings;
use crate::template::resolve::scalar_text;

/// Most values of a template, aliases written out. Without aliases a text of 1 MB never has so many. A long text counts as
/// one for each [`TEXT_OF_A_VALUE`] bytes, so that all texts together stay below 64 MB.
pub(super) const MOST_VALUES: usize = 1_000_000;
const TEXT_OF_A_VALUE: usize = 64;

pub(super) fn read(text: &str, findings: &Findings) -> Result<Value, yaml_serde::Error> {
    let place = Place { count: &Cell::new(0), findings, path: String::new() };
    place.deserialize(yaml_serde::Deserializer::from_str(text))
}

/// Where a value stands.
struct Place<'a> {
    /// How many values there were before.
    count: &'a Cell<usize>,
    findings: &'a Findings,
    path: String,
}

impl Place<'_> {
    fn at(&self, path: String) -> Self {
        Self { path, ..*self }
    }

    fn of_item(&self, at: usize) -> Self {
        self.at(format!("{}[{at}]", self.path))
    }

    fn count<E: de::Error>(&self, values: usize) -> Result<(), E> {
        self.count.set(self.count.get() + values);
        if self.count.get() <= MOST_VALUES {
            return Ok(());
        }
        let what = format!("it stands for more than {MOST_VALUES} values: too much is behind its aliases");
        Err(E::custom(what))
    }

    fn of_entry(&self, key: &str) -> Self {
        self.at(if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) })
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.count(text.len() / TEXT_OF_A_VALUE)?;
        Ok(text.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = vec![];
        while let Some(item) = items.next_element_seed(self.of_item(list.len()))? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key_seed(self.at(self.path.clone()))? {
            let Some(key) = scalar_text(&key) else { return Err(de::Error::custom(format!("{key} is no key"))) };
            let value = entries.next_value_seed(self.of_entry(&key))?;
            if map.contains_key(&key) {
                return Err(de::Error::custom(format!("{key:?} stands twice in {:?}", self.path)));
            }
            map.insert(key, value);
        }
        merge::merge(&mut map, &self.path, self.findings);
        Ok(map.into())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
        let (tag, content) = tagged.variant::<String>()?;
        self.count(tag.len() / TEXT_OF_A_VALUE)?;
        let value = content.newtype_variant_seed(self.at(self.path.clone()))?;
        Ok(long_form(&tag, value, &self.path, self.findings))
    }
}
