//! The body of a command, as the transport hands it over.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Request};
use lambda_http::Body;
use ledger_wire::problem::{Problem, ProblemKind};

use crate::event::too_large;

/// The largest body of one command, in bytes.
pub(crate) const LARGEST_BODY: usize = 64 * 1024;

/// The bytes of a JSON body.
///
/// # Errors
/// 415 unless the body says that it is JSON, and not compressed; 413 above [`LARGEST_BODY`].
pub(crate) fn json_bytes(request: &Request<Body>) -> Result<&[u8], Problem> {
    let bytes: &[u8] = match request.body() {
        Body::Text(text) => text.as_bytes(),
        Body::Binary(bytes) => bytes,
        _ => &[],
    };
    if bytes.len() > LARGEST_BODY {
        return Err(too_large());
    }
    check_encoding(request.headers())?;
    if says_json(request.headers()) || bytes.is_empty() {
        Ok(bytes)
    } else {
        let detail = "send the command as JSON, with the header Content-Type: application/json";
        Err(ProblemKind::UnsupportedMediaType.detail(detail).at_field("Content-Type"))
    }
}

/// `identity` says of a body that it is as it is (RFC 9110, section 8.4.1).
fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let is_plain = |coding: &str| coding.trim().is_empty() || coding.trim().eq_ignore_ascii_case("identity");
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    match values.find(|value| !value.to_str().is_ok_and(|codings| codings.split(',').all(is_plain))) {
        None => Ok(()),
        Some(coding) => {
            let coding = String::from_utf8_lossy(coding.as_bytes());
            let detail = format!("a body in Content-Encoding: {coding} is not read; send the command as plain JSON");
            Err(ProblemKind::UnsupportedMediaType.detail(detail).at_field("Content-Encoding"))
        }
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(media_type: Option<&str>, body: Body) -> Request<Body> {
        let mut request = Request::new(body);
        if let Some(media_type) = media_type {
            request.headers_mut().insert(CONTENT_TYPE, media_type.parse().unwrap());
        }
        request
    }

    #[test]
    fn only_json_is_read() {
        for (media_type, status) in [
            (Some("application/json"), None),
            (Some("Application/JSON; charset=utf-8"), None),
            (Some("text/plain"), Some(415)),
            (Some("application/x-www-form-urlencoded"), Some(415)),
            (None, Some(415)),
        ] {
            let request = request(media_type, Body::from("{}"));
            assert_eq!(json_bytes(&request).err().map(|problem| problem.status), status, "{media_type:?}");
        }
    }

    #[test]
    fn a_compressed_body_is_told_to_come_plain() {
        for (encoding, field) in [
            ("gzip", Some("Content-Encoding")),
            ("br, gzip", Some("Content-Encoding")),
            ("identity, deflate", Some("Content-Encoding")),
            ("identity", None),
            ("Identity", None),
        ] {
            let mut request = request(Some("application/json"), Body::Binary(b"\x1f\x8b".to_vec()));
            request.headers_mut().insert(CONTENT_ENCODING, encoding.parse().unwrap());
            let problem = json_bytes(&request).err();
            assert_eq!(problem.as_ref().map(|problem| problem.status), field.map(|_| 415), "{encoding}");
            assert_eq!(problem.as_ref().and_then(|problem| problem.field.as_deref()), field, "{encoding}");
            let says =
                problem.is_none_or(|problem| problem.detail.contains(encoding) && problem.detail.contains("plain"));
            assert!(says, "{encoding}");
        }
    }

    #[test]
    fn a_body_above_the_limit_is_refused_unread() {
        let request = request(Some("application/json"), Body::Binary(vec![b' '; LARGEST_BODY + 1]));
        assert_eq!(json_bytes(&request).unwrap_err().status, 413);
    }
}
