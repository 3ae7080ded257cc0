//! What AWS's front does to a request before it becomes an event.
//!
//! No event is made that AWS could not have made: a function may rely on a host that is one, on an address that is one, and
//! on a scheme that is `http` or `https`. lambda_http does, and panics over others.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Most bytes of a path with its query: what AWS's load balancers take.
pub(crate) const TARGET_LIMIT: usize = 16 * 1024;
/// Most bytes of a host with its port: what a name may have, and five digits.
const HOST_LIMIT: usize = 259;

/// Why a request cannot be made an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("the Host header is not a host: give a name or an address, and a port where one is needed")]
    Host,
    #[error("there are several Host headers: send one")]
    Hosts,
    #[error("the path with its query is longer than {TARGET_LIMIT} bytes")]
    Target,
}

/// Where a request came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Front<'a> {
    /// Who sent it.
    pub(crate) peer: IpAddr,
    /// The address of this program that it was sent to: its host, where it names none (HTTP/1.0 has none).
    pub(crate) address: SocketAddr,
    pub(crate) trace_id: &'a str,
}

/// Makes a request's headers those that AWS's own front passes on: with what it adds, where nobody in front of this
/// program has, and without what belongs to a connection.
///
/// # Errors
/// The request is none that AWS passes on.
pub(crate) fn prepare(parts: &mut Parts, body: &Bytes, front: Front<'_>) -> Result<(), Unfit> {
    if parts.uri.path_and_query().is_some_and(|target| target.as_str().len() > TARGET_LIMIT) {
        return Err(Unfit::Target);
    }
    let headers = &mut parts.headers;
    let port = name_host(headers, front.address)?;
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::TE, header::UPGRADE, header::EXPECT] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    if !body.is_empty() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    keep_or_set(headers, "x-forwarded-for", |list| !list.is_empty(), &front.peer.to_string());
    keep_or_set(headers, "x-forwarded-port", |port| port.parse::<u16>().is_ok(), &port.to_string());
    keep_or_set(headers, "x-forwarded-proto", |scheme| ["http", "https"].contains(&scheme), "http");
    keep_or_set(headers, "x-amzn-trace-id", |id| !id.is_empty(), front.trace_id);
    Ok(())
}

/// Sees to it that there is one host. Returns its port.
fn name_host(headers: &mut HeaderMap, address: SocketAddr) -> Result<u16, Unfit> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, others) = (hosts.next(), hosts.next());
    if others.is_some() {
        return Err(Unfit::Hosts);
    }
    match host.filter(|host| !host.is_empty()) {
        Some(host) => host.to_str().ok().and_then(port_of).ok_or(Unfit::Host),
        None => {
            let own = HeaderValue::try_from(address.to_string()).map_err(|_| Unfit::Host)?;
            headers.insert(header::HOST, own);
            Ok(address.port())
        }
    }
}

/// The port of a host that is one, and nothing beside it.
fn port_of(host: &str) -> Option<u16> {
    let beside = |byte: u8| matches!(byte, b'/' | b'\\' | b'?' | b'#' | b'@') || !byte.is_ascii_graphic();
    if host.len() > HOST_LIMIT || host.bytes().any(beside) {
        return None;
    }
    // As lambda_http reads it, and makes a request of it again.
    let url = url::Url::parse(&format!("http://{host}/")).ok()?;
    http::Uri::try_from(url.as_str()).ok()?;
    url.port_or_known_default()
}

/// Keeps the one header of a name whose value is fit, and sets it otherwise.
fn keep_or_set(headers: &mut HeaderMap, name: &'static str, is_fit: impl Fn(&str) -> bool, own: &str) {
    let mut values = headers.get_all(name).iter();
    let first = values.next().and_then(|value| value.to_str().ok());
    let is_list = name == "x-forwarded-for";
    let keep = first.is_some_and(is_fit) && (is_list || values.next().is_none());
    if let (false, Ok(own)) = (keep, HeaderValue::try_from(own)) {
        headers.insert(HeaderName::from_static(name), own);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::function_url::request::{Arrival, event, joined};

    /// A request's headers as they are handed on.
    fn prepared(request: http::request::Builder, body: &'static [u8]) -> Result<HeaderMap, Unfit> {
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let address = ([127, 0, 0, 1], 9_000).into();
        let front = Front { peer: [127, 0, 0, 1].into(), address, trace_id: "Root=1-a" };
        prepare(&mut parts, &Bytes::from_static(body), front).map(|()| parts.headers)
    }

    #[test]
    fn what_the_front_adds_is_added_unless_somebody_has() {
        let check = |given: &[(&str, &str)], expected: [&str; 4]| {
            let request = given.iter().fold(Request::get("/"), |request, (name, value)| request.header(*name, *value));
            let headers = prepared(request, b"").unwrap();
            let names = ["x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"];
            assert_eq!(names.map(|name| joined(&headers, &HeaderName::from_static(name))), expected, "{given:?}");
        };
        let own = |port| ["127.0.0.1", port, "http", "Root=1-a"];
        check(&[("host", "localhost:8000")], own("8000"));
        check(&[("host", "here")], own("80"));
        check(&[], own("9000"));
        let behind = [("x-forwarded-for", "10.1.2.3"), ("x-forwarded-port", "443"), ("x-forwarded-proto", "https")];
        check(&behind, ["10.1.2.3", "443", "https", "Root=1-a"]);
        check(&[("x-amzn-trace-id", "Root=1-b")], ["127.0.0.1", "9000", "http", "Root=1-b"]);
        let twice = [("x-forwarded-for", "10.1.2.3"), ("x-forwarded-for", "10.1.2.4")];
        check(&twice, ["10.1.2.3,10.1.2.4", "9000", "http", "Root=1-a"]);
        // lambda_http builds a URL of the scheme.
        check(&[("x-forwarded-proto", "x{y}"), ("x-forwarded-port", "many")], own("9000"));
        check(&[("x-forwarded-proto", "http"), ("x-forwarded-proto", "https")], own("9000"));
    }

    #[test]
    fn a_host_is_one_or_is_this_programs_own() {
        let check = |hosts: &[&str], expected: Result<&str, Unfit>| {
            let request = hosts.iter().fold(Request::get("/"), |request, host| request.header("host", *host));
            let host = prepared(request, b"").map(|headers| headers[header::HOST].to_str().unwrap().to_owned());
            assert_eq!(host, expected.map(str::to_owned), "{hosts:?}");
        };
        check(&[], Ok("127.0.0.1:9000"));
        check(&[""], Ok("127.0.0.1:9000"));
        for host in ["localhost:9000", "api", "a.b_c.example", "10.1.2.3:80", "[::1]:9000", "XN--BCHER-KVA.example"] {
            check(&[host], Ok(host));
        }
        let bad =
            ["x{y}", "a b", "a/b", "a?b", "a#b", "u@h", "a:99999", "a:b", "1.2.3.4.5", "256.1.1.1", "[::1", "a%zz"];
        for host in bad {
            check(&[host], Err(Unfit::Host));
        }
        check(&[&"a".repeat(300)], Err(Unfit::Host));
        check(&["a", "a"], Err(Unfit::Hosts));
    }

    #[test]
    fn what_belongs_to_a_connection_is_not_handed_on_and_a_body_has_its_length() {
        let request = Request::post("/")
            .header("connection", "keep-alive")
            .header("transfer-encoding", "chunked")
            .header("expect", "100-continue")
            .header("x-mine", "1");
        let headers = prepared(request, b"abc").unwrap();
        let of_the_connection = ["connection", "transfer-encoding", "expect"];
        assert!(of_the_connection.iter().all(|name| !headers.contains_key(*name)), "{headers:?}");
        assert_eq!((&headers["content-length"], &headers["x-mine"]), (&"3".parse().unwrap(), &"1".parse().unwrap()));
    }

    #[test]
    fn a_target_has_a_longest_length() {
        let long = format!("/{}", "a".repeat(TARGET_LIMIT));
        assert_eq!(prepared(Request::get(long), b""), Err(Unfit::Target));
    }

    /// Whatever is handed on, lambda_http makes a request of it.
    #[test]
    fn lambda_http_reads_what_is_handed_on() {
        let targets = ["/", "//", "/{}", "/a%2", "/caf\u{e9}?\u{e9}", "/?a={}|^", "/a:b@c"];
        let odd = "{".repeat(TARGET_LIMIT - 1);
        for target in targets.into_iter().map(str::to_owned).chain([format!("/{odd}")]) {
            for host in [None, Some("h"), Some("a_b:1"), Some("[::1]:9000")] {
                let request = Request::post(&target).header("x-forwarded-proto", "x{y}");
                let request = host.iter().fold(request, |request, host| request.header("host", *host));
                let (mut parts, ()) = request.body(()).unwrap().into_parts();
                let address = ([127, 0, 0, 1], 9_000).into();
                let front = Front { peer: [127, 0, 0, 1].into(), address, trace_id: "Root=1-a" };
                prepare(&mut parts, &Bytes::new(), front).unwrap();
                let (raw_path, peer) = (parts.uri.path(), [127, 0, 0, 1].into());
                let arrival = Arrival { function: "api", raw_path, peer, request_id: "id", epoch_ms: 0 };
                let event = event(&parts, &Bytes::new(), arrival);
                lambda_http::request::from_reader(&*event).unwrap_or_else(|error| panic!("{target} {host:?}: {error}"));
            }
        }
    }
}
