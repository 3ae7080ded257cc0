//! The body of a command, as the transport hands it over.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request};
use lambda_http::Body;
use ledger_wire::problem::{Problem, ProblemKind};

/// The largest body of one command, in bytes.
pub(crate) const LARGEST_BODY: usize = 64 * 1024;

/// The bytes of a JSON body.
///
/// # Errors
/// 415 unless the body says that it is JSON, 413 above [`LARGEST_BODY`].
pub(crate) fn json_bytes(request: &Request<Body>) -> Result<&[u8], Problem> {
    let bytes: &[u8] = match request.body() {
        Body::Text(text) => text.as_bytes(),
        Body::Binary(bytes) => bytes,
        _ => &[],
    };
    if bytes.len() > LARGEST_BODY {
        let detail = format!("the body has {} bytes; a command has at most {LARGEST_BODY}", bytes.len());
        return Err(ProblemKind::PayloadTooLarge.detail(detail));
    }
    if says_json(request.headers()) || bytes.is_empty() {
        Ok(bytes)
    } else {
        let detail = "send the command as JSON, with the header Content-Type: application/json";
        Err(ProblemKind::UnsupportedMediaType.detail(detail).at_field("Content-Type"))
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
    fn a_body_above_the_limit_is_refused_unread() {
        let request = request(Some("application/json"), Body::Binary(vec![b' '; LARGEST_BODY + 1]));
        assert_eq!(json_bytes(&request).unwrap_err().status, 413);
    }
}
