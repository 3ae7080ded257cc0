//! Headers come as a list of objects of one name and its bytes, signed: `[{"traceparent":[48,48,45,…]}]`.

use ledger_log::Traceparent;
use serde::Deserialize;
use serde::de::Deserializer;

/// A header, as far as it is the one that is looked for; any other name is skipped with its bytes.
#[derive(Deserialize)]
struct Header {
    /// Named as [`ledger_log::TRACEPARENT`].
    traceparent: Option<Vec<i16>>,
}

/// The trace among the headers; one that is not a trace is ignored, as the standard has it.
pub(super) fn traceparent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Traceparent>, D::Error> {
    let headers = Option::<Vec<Header>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(headers.into_iter().find_map(|header| text_of(&header.traceparent?)))
}

/// Lambda writes bytes signed; whoever writes them unsigned is understood as well.
fn text_of(bytes: &[i16]) -> Option<Traceparent> {
    let bytes: Vec<u8> = bytes.iter().map(|byte| (byte & 0xff) as u8).collect();
    std::str::from_utf8(&bytes).ok()?.parse().ok()
}
