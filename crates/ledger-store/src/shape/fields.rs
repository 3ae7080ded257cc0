//! Reads the fields of a stored document, and says which one is not as it should be.

use std::str::FromStr;

use ledger::Timestamp;
use mongodb::bson::{RawArray, RawBsonRef, RawDocument};

use crate::error::StoreError;

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) String);

impl Malformed {
    pub(crate) fn in_document(self, collection: &'static str, id: impl ToString) -> StoreError {
        StoreError::Malformed { collection, id: id.to_string(), what: self.0 }
    }
}

/// A document being read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a RawDocument);

impl<'a> Fields<'a> {
    pub(crate) fn text(self, name: &str) -> Result<&'a str, Malformed> {
        self.optional_text(name)?.ok_or_else(|| missing(name))
    }

    pub(crate) fn optional_text(self, name: &str) -> Result<Option<&'a str>, Malformed> {
        self.read(name, RawBsonRef::as_str, "text")
    }

    pub(crate) fn number(self, name: &str) -> Result<i64, Malformed> {
        self.optional_number(name)?.ok_or_else(|| missing(name))
    }

    pub(crate) fn optional_number(self, name: &str) -> Result<Option<i64>, Malformed> {
        let number = |value: RawBsonRef<'a>| value.as_i64().or_else(|| value.as_i32().map(i64::from));
        self.read(name, number, "a whole number")
    }

    /// A number that fits `T`.
    pub(crate) fn count<T: TryFrom<i64>>(self, name: &str) -> Result<T, Malformed> {
        self.optional_count(name)?.ok_or_else(|| missing(name))
    }

    pub(crate) fn optional_count<T: TryFrom<i64>>(self, name: &str) -> Result<Option<T>, Malformed> {
        let Some(number) = self.optional_number(name)? else { return Ok(None) };
        T::try_from(number).map(Some).map_err(|_| Malformed(format!("`{name}` is {number}, which cannot be")))
    }

    pub(crate) fn time(self, name: &str) -> Result<Timestamp, Malformed> {
        self.optional_time(name)?.ok_or_else(|| missing(name))
    }

    pub(crate) fn optional_time(self, name: &str) -> Result<Option<Timestamp>, Malformed> {
        let time =
            |value: RawBsonRef<'a>| value.as_datetime().map(|date| Timestamp::from_epoch_ms(date.timestamp_millis()));
        self.read(name, time, "a date")
    }

    pub(crate) fn parsed<T: FromStr>(self, name: &str) -> Result<T, Malformed> {
        self.optional_parsed(name)?.ok_or_else(|| missing(name))
    }

    pub(crate) fn optional_parsed<T: FromStr>(self, name: &str) -> Result<Option<T>, Malformed> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Malformed(format!("`{name}` is {text:?}, which cannot be")))
    }

    pub(crate) fn optional_binary(self, name: &str) -> Result<Option<&'a [u8]>, Malformed> {
        let binary = |value: RawBsonRef<'a>| match value {
            RawBsonRef::Binary(binary) => Some(binary.bytes),
            _ => None,
        };
        self.read(name, binary, "binary")
    }

    pub(crate) fn digest(self, name: &str) -> Result<[u8; 32], Malformed> {
        let bytes = self.optional_binary(name)?.ok_or_else(|| missing(name))?;
        bytes.try_into().map_err(|_| Malformed(format!("`{name}` has {} bytes, not 32", bytes.len())))
    }

    pub(crate) fn document(self, name: &str) -> Result<Fields<'a>, Malformed> {
        self.read(name, RawBsonRef::as_document, "a document")?.map(Fields).ok_or_else(|| missing(name))
    }

    /// A whole number of 128 bits, kept as a decimal.
    pub(crate) fn decimal(self, name: &str) -> Result<i128, Malformed> {
        let decimal = |value: RawBsonRef<'a>| match value {
            RawBsonRef::Decimal128(decimal) => decimal.to_string().parse().ok(),
            _ => None,
        };
        self.read(name, decimal, "a whole decimal")?.ok_or_else(|| missing(name))
    }

    /// The documents of a document, with their names.
    pub(crate) fn named_documents(
        self,
        name: &str,
    ) -> Result<impl Iterator<Item = Result<(&'a str, Fields<'a>), Malformed>>, Malformed> {
        let wrong = format!("`{name}` does not consist of documents");
        Ok(self.document(name)?.0.iter().map(move |item| {
            let (name, value) = item.map_err(|error| Malformed(error.to_string()))?;
            let document = value.as_document().ok_or_else(|| Malformed(wrong.clone()))?;
            Ok((name.as_str(), Fields(document)))
        }))
    }

    pub(crate) fn optional_flag(self, name: &str) -> Result<Option<bool>, Malformed> {
        self.read(name, RawBsonRef::as_bool, "true or false")
    }

    /// The documents of an array; none where there is no such field.
    pub(crate) fn optional_documents(
        self,
        name: &str,
    ) -> Result<impl Iterator<Item = Result<Fields<'a>, Malformed>>, Malformed> {
        let there = self.read(name, Some, "")?.is_some();
        Ok(there.then(|| self.documents(name)).transpose()?.into_iter().flatten())
    }

    /// The documents of an array.
    pub(crate) fn documents(
        self,
        name: &str,
    ) -> Result<impl Iterator<Item = Result<Fields<'a>, Malformed>>, Malformed> {
        let array: &'a RawArray = self.read(name, RawBsonRef::as_array, "an array")?.ok_or_else(|| missing(name))?;
        let wrong = format!("`{name}` does not consist of documents");
        Ok(array.into_iter().map(move |item| {
            item.ok().and_then(RawBsonRef::as_document).map(Fields).ok_or_else(|| Malformed(wrong.clone()))
        }))
    }

    fn read<T>(
        self,
        name: &str,
        read: impl FnOnce(RawBsonRef<'a>) -> Option<T>,
        kind: &str,
    ) -> Result<Option<T>, Malformed> {
        match self.0.get(name) {
            Ok(None | Some(RawBsonRef::Null)) => Ok(None),
            Ok(Some(value)) => read(value).map(Some).ok_or_else(|| Malformed(format!("`{name}` is not {kind}"))),
            Err(error) => Err(Malformed(error.to_string())),
        }
    }
}

fn missing(name: &str) -> Malformed {
    Malformed(format!("`{name}` is missing"))
}
