//! Writes BSON documents into one buffer, nested ones in place: no value is copied twice on its way to the socket.

use ledger::Timestamp;
use mongodb::bson::Decimal128;

const TYPE_STRING: u8 = 0x02;
const TYPE_DOCUMENT: u8 = 0x03;
const TYPE_ARRAY: u8 = 0x04;
const TYPE_BINARY: u8 = 0x05;
const TYPE_BOOLEAN: u8 = 0x08;
const TYPE_DATE: u8 = 0x09;
const TYPE_INT32: u8 = 0x10;
const TYPE_INT64: u8 = 0x12;
const TYPE_DECIMAL128: u8 = 0x13;
const SUBTYPE_GENERIC: u8 = 0x00;

/// A document being written; it is closed when it is dropped.
pub(crate) struct DocumentWriter<'a> {
    bytes: &'a mut Vec<u8>,
    start: usize,
}

/// An array being written; it is closed when it is dropped.
pub(crate) struct ArrayWriter<'a> {
    document: DocumentWriter<'a>,
    length: u32,
}

impl<'a> DocumentWriter<'a> {
    pub(crate) fn open(bytes: &'a mut Vec<u8>) -> Self {
        let start = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        Self { bytes, start }
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(TYPE_STRING, name);
        self.push_text(value);
        self
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.name(TYPE_BOOLEAN, name);
        self.bytes.push(u8::from(value));
        self
    }

    pub(crate) fn small_number(&mut self, name: &str, value: i32) -> &mut Self {
        self.name(TYPE_INT32, name);
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn number(&mut self, name: &str, value: i64) -> &mut Self {
        self.name(TYPE_INT64, name);
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn decimal(&mut self, name: &str, value: Decimal128) -> &mut Self {
        self.name(TYPE_DECIMAL128, name);
        self.bytes.extend_from_slice(&value.bytes());
        self
    }

    /// A count: sequence numbers, offsets and the like stay far below `i64::MAX`.
    pub(crate) fn count(&mut self, name: &str, value: u64) -> &mut Self {
        self.number(name, i64::try_from(value).unwrap_or(i64::MAX))
    }

    pub(crate) fn time(&mut self, name: &str, value: Timestamp) -> &mut Self {
        self.name(TYPE_DATE, name);
        self.bytes.extend_from_slice(&value.epoch_ms().to_le_bytes());
        self
    }

    pub(crate) fn binary(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.name(TYPE_BINARY, name);
        self.bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.bytes.push(SUBTYPE_GENERIC);
        self.bytes.extend_from_slice(value);
        self
    }

    pub(crate) fn document(&mut self, name: &str) -> DocumentWriter<'_> {
        self.name(TYPE_DOCUMENT, name);
        DocumentWriter::open(self.bytes)
    }

    pub(crate) fn array(&mut self, name: &str) -> ArrayWriter<'_> {
        self.name(TYPE_ARRAY, name);
        ArrayWriter { document: DocumentWriter::open(self.bytes), length: 0 }
    }

    fn name(&mut self, element: u8, name: &str) {
        debug_assert!(!name.contains('\0'));
        self.bytes.push(element);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
    }

    fn push_text(&mut self, value: &str) {
        self.bytes.extend_from_slice(&(value.len() as u32 + 1).to_le_bytes());
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
    }
}

impl Drop for DocumentWriter<'_> {
    fn drop(&mut self) {
        self.bytes.push(0);
        let length = (self.bytes.len() - self.start) as u32;
        self.bytes[self.start..self.start + 4].copy_from_slice(&length.to_le_bytes());
    }
}

impl ArrayWriter<'_> {
    pub(crate) fn push_document(&mut self) -> DocumentWriter<'_> {
        self.next(TYPE_DOCUMENT);
        DocumentWriter::open(self.document.bytes)
    }

    /// `document` is one whole document.
    pub(crate) fn push_bytes(&mut self, document: &[u8]) {
        self.next(TYPE_DOCUMENT);
        self.document.bytes.extend_from_slice(document);
    }

    pub(crate) fn push_text(&mut self, value: &str) {
        self.next(TYPE_STRING);
        self.document.push_text(value);
    }

    /// An array's names are its indexes in decimal.
    fn next(&mut self, element: u8) {
        let mut digits = [0u8; 10];
        let mut at = digits.len();
        let mut rest = self.length;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.length += 1;
        self.document.bytes.push(element);
        self.document.bytes.extend_from_slice(&digits[at..]);
        self.document.bytes.push(0);
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Bson, DateTime, Document, RawDocumentBuf, doc, spec::BinarySubtype};

    use super::*;

    #[test]
    fn what_is_written_is_what_the_driver_reads() {
        let mut bytes = Vec::new();
        {
            let mut document = DocumentWriter::open(&mut bytes);
            document.text("text", "Zürich").flag("flag", true).small_number("small", -3).number("number", i64::MIN);
            document.decimal("decimal", "-170141183460469231731".parse().unwrap());
            document.count("count", 7).time("time", Timestamp::from_epoch_ms(1_700_000_000_123));
            document.binary("binary", &[1, 2, 3]);
            document.document("inner").text("a", "");
            let mut list = document.array("list");
            for at in 0..11 {
                list.push_document().small_number("at", at);
            }
            list.push_text("end");
        }
        let read = Document::try_from(RawDocumentBuf::from_bytes(bytes).unwrap()).unwrap();
        let mut list: Vec<Bson> = (0..11).map(|at| Bson::Document(doc! { "at": at })).collect();
        list.push("end".into());
        let binary = mongodb::bson::Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2, 3] };
        let expected = doc! {
            "text": "Zürich", "flag": true, "small": -3, "number": i64::MIN,
            "decimal": "-170141183460469231731".parse::<Decimal128>().unwrap(), "count": 7_i64,
            "time": DateTime::from_millis(1_700_000_000_123), "binary": binary, "inner": { "a": "" }, "list": list,
        };
        assert_eq!(read, expected);
    }
}
