//! An HTTP request as an event of payload format 2.0.
//!
//! What is easily got wrong: path and query stay percent-encoded; values of one header are joined with a comma, names
//! are lower-case; cookies stand in a list of their own; a body is text only when its type is one of few and its bytes are
//! UTF-8, and otherwise base64 (a form, too); an empty body, no cookies and no query are absent rather than empty.
//!
//! The headers are those that [`super::front`] leaves.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use percent_encoding::{CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::{Serialize, Serializer};

/// What the request itself does not say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    /// The function's name: the URL's id.
    pub(crate) function: &'a str,
    /// The path behind the function's own part of it, still encoded.
    pub(crate) raw_path: &'a str,
    pub(crate) peer: IpAddr,
    pub(crate) request_id: &'a str,
    pub(crate) epoch_ms: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'static str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<Cow<'a, str>>,
    headers: Headers<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    account_id: &'static str,
    api_id: &'a str,
    authentication: Option<()>,
    domain_name: Cow<'a, str>,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'static str,
    stage: &'static str,
    time: String,
    time_epoch: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: Cow<'a, str>,
    user_agent: Cow<'a, str>,
}

/// The event of a request.
pub(crate) fn event(parts: &Parts, body: &Bytes, arrival: Arrival<'_>) -> Bytes {
    let query = encoded(parts.uri.query().unwrap_or_default());
    let raw_path = encoded(arrival.raw_path);
    let header = |name| parts.headers.get(name).map(text).unwrap_or_default();
    let (body, is_base64_encoded) = encode_body(&parts.headers, body);
    let event = Event {
        version: "2.0",
        route_key: "$default",
        raw_path: &raw_path,
        raw_query_string: &query,
        cookies: cookies(&parts.headers),
        headers: Headers(&parts.headers),
        query_string_parameters: query_parameters(&query),
        request_context: Context {
            account_id: "anonymous",
            api_id: arrival.function,
            authentication: None,
            domain_name: header(header::HOST),
            domain_prefix: arrival.function,
            http: Http {
                method: parts.method.as_str(),
                path: &raw_path,
                protocol: "HTTP/1.1",
                source_ip: source_ip(&parts.headers, arrival.peer),
                user_agent: header(header::USER_AGENT),
            },
            request_id: arrival.request_id,
            route_key: "$default",
            stage: "$default",
            time: common_log_time(arrival.epoch_ms),
            time_epoch: arrival.epoch_ms,
        },
        body,
        is_base64_encoded,
    };
    let mut json = Vec::with_capacity(1024 + event.body.as_ref().map_or(0, |body| body.len() + body.len() / 8));
    // Writing to memory does not fail, and the event holds nothing that cannot be JSON.
    let _ = serde_json::to_writer(&mut json, &event);
    Bytes::from(json)
}

/// What a client did not encode though it had to: AWS's front passes on ASCII alone.
fn encoded(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, CONTROLS).into()
}

struct Headers<'a>(&'a HeaderMap);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = self.0.keys().filter(|name| *name != header::COOKIE);
        serializer.collect_map(names.map(|name| (name.as_str(), joined(self.0, name))))
    }
}

pub(super) fn joined<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Cow<'a, str> {
    let mut values = headers.get_all(name).iter().map(text);
    let first = values.next().unwrap_or_default();
    values.fold(first, |joined, value| Cow::Owned(format!("{joined},{value}")))
}

/// A header's value: UTF-8 as it is, other bytes as Latin-1, which is what HTTP once meant by them.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => value.as_bytes().iter().map(|byte| char::from(*byte)).collect::<String>().into(),
    }
}

fn cookies(headers: &HeaderMap) -> Vec<Cow<'_, str>> {
    let lines = headers.get_all(header::COOKIE).iter().map(text);
    let each = lines.flat_map(|line| match line {
        Cow::Borrowed(line) => line.split(';').map(|cookie| Cow::Borrowed(cookie.trim())).collect::<Vec<_>>(),
        Cow::Owned(line) => line.split(';').map(|cookie| Cow::Owned(cookie.trim().to_owned())).collect(),
    });
    each.filter(|cookie| !cookie.is_empty()).collect()
}

fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut parameters = BTreeMap::<String, String>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name), decode(value));
        parameters.entry(name).and_modify(|joined| *joined = format!("{joined},{value}")).or_insert(value);
    }
    parameters
}

/// The caller's address. A proxy on this machine says it in X-Forwarded-For: what it added stands last, and is an address.
fn source_ip(headers: &HeaderMap, peer: IpAddr) -> Cow<'_, str> {
    let forwarded = headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    let nearest = forwarded.and_then(|list| list.rsplit(',').next()).map(str::trim);
    match nearest.filter(|address| peer.is_loopback() && address.parse::<IpAddr>().is_ok()) {
        Some(address) => Cow::Borrowed(address),
        None => Cow::Owned(peer.to_string()),
    }
}

/// Text only where the content type promises it and the bytes keep the promise.
fn encode_body<'a>(headers: &HeaderMap, body: &'a Bytes) -> (Option<Cow<'a, str>>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let is_text = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(is_textual)
        && !headers.contains_key(header::CONTENT_ENCODING);
    match std::str::from_utf8(body) {
        Ok(text) if is_text => (Some(Cow::Borrowed(text)), false),
        _ => (Some(Cow::Owned(base64::engine::general_purpose::STANDARD.encode(body))), true),
    }
}

/// What AWS hands on as text, as measured on payload format 2.0: its pages name no list. A form is not among it.
fn is_textual(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/") || matches!(&*kind, "application/json" | "application/xml" | "application/javascript")
}

/// `12/Mar/2020:19:03:58 +0000`
fn common_log_time(epoch_ms: u64) -> String {
    let ms = i64::try_from(epoch_ms).unwrap_or_default();
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use http::Request;
    use serde_json::{Value, json};

    use super::*;

    fn event_of(request: http::request::Builder, body: &[u8]) -> Value {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let arrival = Arrival {
            function: "api",
            raw_path: parts.uri.path(),
            peer: [127, 0, 0, 1].into(),
            request_id: "id",
            epoch_ms: 1_584_039_838_000,
        };
        serde_json::from_slice(&event(&parts, &Bytes::copy_from_slice(body), arrival)).unwrap()
    }

    #[test]
    fn a_plain_request_leaves_out_what_it_does_not_have() {
        let event = event_of(Request::get("/a").header("Host", "h").header("User-Agent", "u"), b"");
        let expected = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/a", "rawQueryString": "",
            "headers": {"host": "h", "user-agent": "u"},
            "requestContext": {
                "accountId": "anonymous", "apiId": "api", "authentication": null, "domainName": "h",
                "domainPrefix": "api", "requestId": "id", "routeKey": "$default", "stage": "$default",
                "http": {"method": "GET", "path": "/a", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "u"},
                "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1_584_039_838_000_u64,
            },
            "isBase64Encoded": false,
        });
        assert_eq!(event, expected);
    }

    #[test]
    fn path_and_query_stay_encoded_and_parameters_are_decoded() {
        let event = event_of(Request::get("/a%20b/%C3%A9?x=1%202&x=3&y=a+b&z"), b"");
        assert_eq!(event["rawPath"], "/a%20b/%C3%A9");
        assert_eq!(event["rawQueryString"], "x=1%202&x=3&y=a+b&z");
        assert_eq!(event["queryStringParameters"], json!({"x": "1 2,3", "y": "a b", "z": ""}));
        let event = event_of(Request::get("/caf\u{e9}?x=\u{e9}"), b"");
        assert_eq!((&event["rawPath"], &event["rawQueryString"]), (&json!("/caf%C3%A9"), &json!("x=%C3%A9")));
        assert_eq!(event["queryStringParameters"], json!({"x": "\u{e9}"}));
    }

    #[test]
    fn values_of_one_header_are_joined_and_cookies_stand_apart() {
        let request = Request::get("/")
            .header("X-A", "1")
            .header("X-A", "2")
            .header("Cookie", "a=1; b=2")
            .header("Cookie", "c=3");
        let event = event_of(request, b"");
        assert_eq!(event["headers"], json!({"x-a": "1,2"}));
        assert_eq!(event["cookies"], json!(["a=1", "b=2", "c=3"]));
    }

    #[test]
    fn the_proxy_on_this_machine_tells_the_callers_address() {
        let event = event_of(Request::get("/").header("X-Forwarded-For", "6.6.6.6, 10.1.2.3"), b"");
        assert_eq!(event["requestContext"]["http"]["sourceIp"], "10.1.2.3");
        let event = event_of(Request::get("/").header("X-Forwarded-For", "10.1.2.3, unknown"), b"");
        assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1", "an address, whatever was sent");
    }

    #[test]
    fn a_body_is_text_only_by_type_and_by_bytes() {
        let check = |kind: Option<&str>, body: &[u8], expected: &str, base64: bool| {
            let mut request = Request::post("/");
            if let Some(kind) = kind {
                request = request.header("Content-Type", kind);
            }
            let event = event_of(request, body);
            assert_eq!(
                (event["body"].as_str(), event["isBase64Encoded"].as_bool()),
                (Some(expected), Some(base64)),
                "{kind:?}"
            );
        };
        check(Some("application/json"), b"{}", "{}", false);
        check(Some("Application/JSON; charset=utf-8"), b"{}", "{}", false);
        check(Some("application/xml"), b"<a/>", "<a/>", false);
        check(Some("application/javascript"), b"1", "1", false);
        check(Some("text/plain"), "é".as_bytes(), "é", false);
        check(Some("application/x-www-form-urlencoded"), b"a=b", "YT1i", true);
        check(Some("application/problem+json"), b"{}", "e30=", true);
        check(Some("multipart/form-data; boundary=b"), b"--b--", "LS1iLS0=", true);
        check(Some("application/json"), b"\xff", "/w==", true);
        check(Some("application/octet-stream"), b"{}", "e30=", true);
        check(None, b"{}", "e30=", true);
    }
}
