//! Headers come as a list of objects of one name and its bytes, signed: `[{"traceparent":[48,48,45,…]}]`.

use std::fmt;

use ledger_log::{TRACEPARENT, Traceparent};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The trace among the headers; one that is not a trace is ignored, as the standard has it.
pub(super) fn traceparent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Traceparent>, D::Error> {
    Ok(Option::<Headers>::deserialize(deserializer)?.and_then(|headers| headers.0))
}

struct Headers(Option<Traceparent>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of headers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Headers, A::Error> {
                let mut found = None;
                while let Some(Header(traceparent)) = list.next_element()? {
                    found = found.or(traceparent);
                }
                Ok(Headers(found))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

struct Header(Option<Traceparent>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneEntry;
        impl<'de> Visitor<'de> for OneEntry {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of a header's name and its bytes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut found = None;
                while let Some(name) = map.next_key::<String>()? {
                    if name == TRACEPARENT {
                        found = found.or(text_of(&map.next_value::<Vec<i16>>()?));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Header(found))
            }
        }
        deserializer.deserialize_map(OneEntry)
    }
}

/// Lambda writes bytes signed; whoever writes them unsigned is understood as well.
fn text_of(bytes: &[i16]) -> Option<Traceparent> {
    let bytes: Vec<u8> = bytes.iter().map(|byte| (byte & 0xff) as u8).collect();
    std::str::from_utf8(&bytes).ok()?.parse().ok()
}
