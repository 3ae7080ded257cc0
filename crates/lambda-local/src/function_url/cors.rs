//! Cross-origin rules of a function URL: preflights are answered without the function, and on every other answer the
//! configured headers win over the function's own.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::http_server::{self, Reply};
use crate::template::Cors;

/// The answer to a preflight request, when it is one.
pub(crate) fn preflight(cors: &Cors, method: &Method, headers: &HeaderMap) -> Option<Reply> {
    let asked = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) && headers.contains_key(header::ORIGIN);
    if *method != Method::OPTIONS || !asked {
        return None;
    }
    let mut reply = http_server::empty(StatusCode::OK);
    apply(cors, headers.get(header::ORIGIN), &mut reply);
    let mut list = |name, values: &[String]| set(&mut reply, name, &values.join(","));
    list(header::ACCESS_CONTROL_ALLOW_METHODS, &cors.methods);
    list(header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers);
    if cors.max_age_s > 0 {
        set(&mut reply, header::ACCESS_CONTROL_MAX_AGE, &cors.max_age_s.to_string());
    }
    Some(reply)
}

/// Puts the configured headers on an answer.
pub(crate) fn apply(cors: &Cors, origin: Option<&HeaderValue>, reply: &mut Reply) {
    for name in [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
    ] {
        reply.headers_mut().remove(name);
    }
    let Some(origin) = origin.and_then(|origin| origin.to_str().ok()) else { return };
    let any = cors.origins.iter().any(|allowed| allowed == "*");
    if !any && !cors.origins.iter().any(|allowed| allowed == origin) {
        return;
    }
    set(reply, header::ACCESS_CONTROL_ALLOW_ORIGIN, if any && !cors.credentials { "*" } else { origin });
    set(reply, header::ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose.join(","));
    if cors.credentials {
        set(reply, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    reply.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
}

fn set(reply: &mut Reply, name: HeaderName, value: &str) {
    if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
        reply.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cors: &Cors, origin: &str, expected: Option<&str>) {
        let mut reply = http_server::empty(StatusCode::OK);
        set(&mut reply, header::ACCESS_CONTROL_ALLOW_ORIGIN, "https://the-functions-own");
        apply(cors, Some(&HeaderValue::from_str(origin).unwrap()), &mut reply);
        let allowed = reply.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap());
        assert_eq!(allowed, expected);
    }

    #[test]
    fn configured_origins_win_over_the_functions_own() {
        let some = Cors { origins: vec!["https://a".to_owned()], ..Cors::default() };
        check(&some, "https://a", Some("https://a"));
        check(&some, "https://b", None);
        let any = Cors { origins: vec!["*".to_owned()], ..Cors::default() };
        check(&any, "https://b", Some("*"));
        check(&Cors { credentials: true, ..any }, "https://b", Some("https://b"));
    }

    #[test]
    fn only_a_preflight_is_answered_for_the_function() {
        let cors =
            Cors { origins: vec!["*".to_owned()], methods: vec!["POST".to_owned()], max_age_s: 5, ..Cors::default() };
        let mut headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static("https://a"))]);
        assert!(preflight(&cors, &Method::OPTIONS, &headers).is_none());
        headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
        assert!(preflight(&cors, &Method::POST, &headers).is_none());
        let reply = preflight(&cors, &Method::OPTIONS, &headers).unwrap();
        assert_eq!(reply.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], "POST");
        assert_eq!(reply.headers()[header::ACCESS_CONTROL_MAX_AGE], "5");
    }
}
