//! `X-Amz-Client-Context`: JSON in base64, which a function gets as a header of one line.
//!
//! AWS refuses what is no JSON object (400, in these words). Beyond that what a runtime would stumble over is refused here: the
//! members that AWS's mobile SDKs send must be what they say they are, or lambda_runtime fails at the request before the
//! function sees it, and takes no more.

use std::collections::HashMap;

use base64::Engine as _;
use http::HeaderValue;
use serde::Deserialize;

/// Most bytes of the header.
const LIMIT: usize = 3_583;

/// Why a client context is not handed on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Invalid {
    #[error("Client context must be a valid Base64-encoded JSON object.")]
    NotAnObject,
    #[error("Client context must have at most {LIMIT} bytes of Base64.")]
    TooLong,
    #[error("Client context must be what AWS's mobile SDKs send, or runtimes cannot read it: {0}.")]
    Shape(serde_json::Error),
}

/// What lambda_runtime reads of it: the names and what must be there are its own.
#[derive(Deserialize)]
struct ClientContext {
    #[serde(default, rename = "client")]
    _client: Client,
    #[serde(default, rename = "custom")]
    _custom: HashMap<String, String>,
    #[serde(default, rename = "environment")]
    _environment: HashMap<String, String>,
    /// AWS's own name for it.
    #[serde(default, rename = "env")]
    _env: HashMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Client {
    #[serde(rename = "installationId", alias = "installation_id")]
    _installation_id: String,
    #[serde(rename = "appTitle", alias = "app_title")]
    _app_title: String,
    #[serde(rename = "appVersionName", alias = "app_version_name")]
    _app_version_name: String,
    #[serde(rename = "appVersionCode", alias = "app_version_code")]
    _app_version_code: String,
    #[serde(rename = "appPackageName", alias = "app_package_name")]
    _app_package_name: String,
}

/// The header a function gets for the one a caller sent.
///
/// # Errors
/// There is something wrong with it.
pub(super) fn read(sent: &HeaderValue) -> Result<HeaderValue, Invalid> {
    if sent.len() > LIMIT {
        return Err(Invalid::TooLong);
    }
    let json = base64::engine::general_purpose::STANDARD.decode(sent.as_bytes()).map_err(|_| Invalid::NotAnObject)?;
    let json = std::str::from_utf8(&json).map_err(|_| Invalid::NotAnObject)?;
    // Read as a struct, a list would pass for its fields in order.
    serde_json::from_str::<HashMap<String, serde::de::IgnoredAny>>(json).map_err(|_| Invalid::NotAnObject)?;
    serde_json::from_str::<ClientContext>(json).map_err(Invalid::Shape)?;
    HeaderValue::try_from(one_line(json)).map_err(|_| Invalid::NotAnObject)
}

/// The same JSON in ASCII on one line. Breaks between lines are never part of a JSON text, and what is not ASCII stands in
/// its strings alone.
fn one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '\n' | '\r' | '\t' => line.push(' '),
            ' '..='~' => line.push(letter),
            _ => letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| line += &format!("\\u{unit:04x}")),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use lambda_runtime::Context;

    use super::*;

    fn sent(json: &str) -> HeaderValue {
        HeaderValue::try_from(base64::engine::general_purpose::STANDARD.encode(json)).unwrap()
    }

    /// Whether lambda_runtime can take a request with this header.
    fn is_taken(header: HeaderValue) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("lambda-runtime-aws-request-id", HeaderValue::from_static("id"));
        headers.insert("lambda-runtime-deadline-ms", HeaderValue::from_static("1"));
        headers.insert("lambda-runtime-client-context", header);
        Context::new("id", std::sync::Arc::default(), &headers).is_ok()
    }

    const CLIENT: &str = r#"{"installation_id":"i","appTitle":"t","app_version_name":"n","app_version_code":"c","app_package_name":"p"}"#;

    #[test]
    fn what_is_handed_on_is_one_line_that_runtimes_can_read() {
        let check = |json: &str, line: &str| {
            let header = read(&sent(json)).unwrap_or_else(|invalid| panic!("{json}: {invalid}"));
            assert_eq!(header.to_str().unwrap(), line, "{json}");
            assert!(is_taken(header), "{json}");
        };
        check("{}", "{}");
        check("{\r\n\t\"custom\": {\n\"a\": \"b\"}}\n", "{   \"custom\": { \"a\": \"b\"}} ");
        check("{\"custom\":{\"a\":\"\u{fc}\u{1f600}\u{7f}\"}}", r#"{"custom":{"a":"\u00fc\ud83d\ude00\u007f"}}"#);
        check(r#"{"env":{"a":"b"},"services":[1]}"#, r#"{"env":{"a":"b"},"services":[1]}"#);
        let whole = format!(r#"{{"client":{CLIENT}}}"#);
        check(&whole, &whole);
    }

    #[test]
    fn what_is_no_json_object_is_refused_in_aws_words() {
        let not_base64 = HeaderValue::from_static("not base64");
        let not_utf8 = HeaderValue::from_static("/w==");
        let cases = [sent(""), sent("{"), sent("[]"), sent("1"), sent("null"), sent("\"a\nb\""), not_base64, not_utf8];
        for case in cases {
            let invalid = read(&case).unwrap_err();
            assert_eq!(invalid.to_string(), "Client context must be a valid Base64-encoded JSON object.", "{case:?}");
        }
        let long = sent(&format!(r#"{{"custom":{{"a":"{}"}}}}"#, "b".repeat(3_000)));
        assert!(matches!(read(&long), Err(Invalid::TooLong)));
    }

    #[test]
    fn what_would_stop_a_runtime_is_refused() {
        let cases = [
            r#"{"custom":{"a":1}}"#,
            r#"{"custom":null}"#,
            r#"{"custom":[]}"#,
            r#"{"environment":{"a":{}}}"#,
            r#"{"client":{}}"#,
            r#"{"client":null}"#,
            r#"{"custom":{},"custom":{}}"#,
        ];
        for case in cases {
            assert!(!is_taken(HeaderValue::from_static(case)), "{case}: it is no trouble after all");
            assert!(matches!(read(&sent(case)), Err(Invalid::Shape(_))), "{case}");
        }
    }
}
