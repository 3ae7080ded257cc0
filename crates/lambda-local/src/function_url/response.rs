//! A function's answer as an HTTP response.
//!
//! With a `statusCode` it describes the response; without one, any JSON is the body itself, with status 200 and type
//! `application/json`. An answer that is neither is malformed, and the caller gets what a failed function gives.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::http_server::Reply;
use crate::invocation::Answer;

/// What separates the prelude of a streamed response from its body.
const PRELUDE_END: [u8; 8] = [0; 8];

/// Why an answer is not an HTTP response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("it is not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error("it has a statusCode, but not the shape of a response: {0}")]
    Shape(serde_json::Error),
    #[error("statusCode {0} is not from 200 to 599")]
    Status(u16),
    #[error("its body is not base64, though isBase64Encoded says so")]
    Base64,
    #[error("{0:?} is not a header, or its value is not one line of text")]
    Header(String),
    #[error("its prelude does not end")]
    Prelude,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described<'a> {
    status_code: Option<u16>,
    #[serde(default, borrow)]
    headers: Option<BTreeMap<Cow<'a, str>, Value>>,
    #[serde(default, borrow)]
    body: Option<Cow<'a, str>>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
}

/// The response an answer describes.
pub(crate) fn from_answer(answer: &Answer) -> Result<Reply, Malformed> {
    if answer.has_http_prelude {
        return from_prelude(&answer.payload);
    }
    // Read as a struct, a list would pass for its fields in order.
    if answer.payload.trim_ascii_start().first() == Some(&b'[') {
        let _: IgnoredAny = serde_json::from_slice(&answer.payload).map_err(Malformed::NotJson)?;
        return Ok(inferred(answer.payload.clone()));
    }
    match serde_json::from_slice::<Described<'_>>(&answer.payload) {
        Ok(described) if described.status_code.is_some() => describe(described, None),
        Ok(_) => Ok(inferred(answer.payload.clone())),
        Err(error) => match serde_json::from_slice::<Value>(&answer.payload) {
            Ok(value) if value.get("statusCode").is_some() => Err(Malformed::Shape(error)),
            Ok(_) => Ok(inferred(answer.payload.clone())),
            Err(error) => Err(Malformed::NotJson(error)),
        },
    }
}

fn from_prelude(payload: &Bytes) -> Result<Reply, Malformed> {
    let end = payload.windows(PRELUDE_END.len()).position(|bytes| bytes == PRELUDE_END).ok_or(Malformed::Prelude)?;
    let mut prelude: Described<'_> = serde_json::from_slice(&payload[..end]).map_err(Malformed::Shape)?;
    prelude.status_code.get_or_insert(200);
    describe(prelude, Some(payload.slice(end + PRELUDE_END.len()..)))
}

fn inferred(payload: Bytes) -> Reply {
    crate::http_server::json(StatusCode::OK, payload)
}

fn describe(described: Described<'_>, body: Option<Bytes>) -> Result<Reply, Malformed> {
    let code = described.status_code.unwrap_or(200);
    let status = StatusCode::from_u16(code).ok().filter(|_| (200..600).contains(&code));
    let status = status.ok_or(Malformed::Status(code))?;
    let body = match (body, described.body) {
        (Some(body), _) => body,
        (None, Some(text)) if described.is_base64_encoded == Some(true) => decode(&text)?,
        (None, text) => Bytes::from(text.unwrap_or_default().into_owned()),
    };
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    for (name, value) in described.headers.unwrap_or_default() {
        let (name, value) = header_pair(&name, &value)?;
        if !is_hop_by_hop(&name) {
            reply.headers_mut().insert(name, value);
        }
    }
    for cookie in described.cookies.unwrap_or_default() {
        let value = HeaderValue::from_str(&cookie).map_err(|_| Malformed::Header("cookies".to_owned()))?;
        reply.headers_mut().append(header::SET_COOKIE, value);
    }
    let json = HeaderValue::from_static("application/json");
    reply.headers_mut().entry(header::CONTENT_TYPE).or_insert(json);
    Ok(reply)
}

fn decode(text: &str) -> Result<Bytes, Malformed> {
    base64::engine::general_purpose::STANDARD.decode(text).map(Bytes::from).map_err(|_| Malformed::Base64)
}

fn header_pair(name: &str, value: &Value) -> Result<(HeaderName, HeaderValue), Malformed> {
    let malformed = || Malformed::Header(name.to_owned());
    let value = match value {
        Value::String(text) => HeaderValue::from_str(text),
        Value::Number(_) | Value::Bool(_) => HeaderValue::from_str(&value.to_string()),
        _ => return Err(malformed()),
    };
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
    Ok((name, value.map_err(|_| malformed())?))
}

/// Headers that belong to the connection, which is this server's and not the function's.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::UPGRADE].contains(name)
        || name == "keep-alive"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, headers, body.
    type Open = (u16, Vec<(String, String)>, Vec<u8>);

    fn reply(payload: &str) -> Result<Open, Malformed> {
        let answer = Answer::success(Bytes::copy_from_slice(payload.as_bytes()));
        from_answer(&answer).map(open)
    }

    fn open(reply: Reply) -> Open {
        let (parts, body) = reply.into_parts();
        let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        let body = futures::executor::block_on(http_body_util::BodyExt::collect(body)).unwrap().to_bytes();
        (parts.status.as_u16(), headers.collect(), body.to_vec())
    }

    fn check(payload: &str, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(reply(payload).expect(payload), (status, headers, body.to_vec()), "{payload}");
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn a_described_response_is_given_as_described() {
        check(r#"{"statusCode":202,"headers":{"Location":"/x"},"body":"hi"}"#, 202, &[("location", "/x"), JSON], b"hi");
        check(
            r#"{"statusCode":200,"headers":{"content-type":"text/html","x-n":1},"body":""}"#,
            200,
            &[("content-type", "text/html"), ("x-n", "1")],
            b"",
        );
        check(r#"{"statusCode":200,"body":"aGk=","isBase64Encoded":true}"#, 200, &[JSON], b"hi");
        check(
            r#"{"statusCode":204,"cookies":["a=1","b=2"]}"#,
            204,
            &[("set-cookie", "a=1"), ("set-cookie", "b=2"), JSON],
            b"",
        );
        check(
            r#"{"statusCode":200,"headers":{"Content-Length":"99","Connection":"close"},"body":"x","multiValueHeaders":{}}"#,
            200,
            &[JSON],
            b"x",
        );
        check(
            r#"{"statusCode":200,"body":null,"headers":null,"cookies":null,"isBase64Encoded":null}"#,
            200,
            &[JSON],
            b"",
        );
    }

    #[test]
    fn without_a_status_code_the_answer_is_the_body() {
        check(r#""Hello, world!""#, 200, &[JSON], br#""Hello, world!""#);
        check(r#"{"body":5}"#, 200, &[JSON], br#"{"body":5}"#);
        check("null", 200, &[JSON], b"null");
        check("[1]", 200, &[JSON], b"[1]");
    }

    #[test]
    fn a_malformed_answer_is_none() {
        for payload in [
            "",
            "{",
            r#"{"statusCode":"many"}"#,
            r#"{"statusCode":99}"#,
            r#"{"statusCode":100}"#,
            r#"{"statusCode":200,"headers":[]}"#,
            r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
            r#"{"statusCode":200,"headers":{"a":"b\nc"}}"#,
            r#"{"statusCode":200,"body":"*","isBase64Encoded":true}"#,
        ] {
            assert!(reply(payload).is_err(), "{payload}");
        }
    }

    #[test]
    fn a_streamed_answer_has_a_prelude() {
        let mut payload = br#"{"statusCode":201,"headers":{"a":"b"}}"#.to_vec();
        payload.extend_from_slice(&[0; 8]);
        payload.extend_from_slice(b"rest\0of it");
        let answer = Answer { has_http_prelude: true, ..Answer::success(Bytes::from(payload)) };
        let (status, headers, body) = open(from_answer(&answer).unwrap());
        assert_eq!((status, body.as_slice()), (201, b"rest\0of it".as_slice()));
        assert_eq!(headers[0], ("a".to_owned(), "b".to_owned()));
    }
}
