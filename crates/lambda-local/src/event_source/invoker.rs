//! How a poller invokes: a function of this process, or any endpoint that speaks the Invoke API (`cargo lambda watch`,
//! the Runtime Interface Emulator, another lambda-local, Lambda itself behind a signing proxy).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::Value;

use crate::function::Function;
use crate::http_client::{self, Client};
use crate::invocation::{Invocation, PAYLOAD_LIMIT};
use crate::invoke_api::{CLIENT_CONTEXT, EXECUTED_VERSION, FUNCTION_ERROR};

/// A way to invoke one function.
#[derive(Clone, Debug)]
pub struct Invoker(Way);

#[derive(Clone, Debug)]
enum Way {
    Function(Arc<Function>),
    Endpoint(Arc<Endpoint>),
}

#[derive(Clone, Debug)]
struct Endpoint {
    client: Client,
    uri: Uri,
    timeout: Duration,
    client_context: Option<HeaderValue>,
}

/// What came of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invoked {
    /// The function answered.
    Answer(Bytes),
    /// The function failed; the text describes how.
    FunctionError(String),
    /// The function was not reached; the text says why.
    NotReached(String),
}

/// Why an endpoint cannot be one.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an endpoint: give http://HOST:PORT, or the whole http://HOST:PORT/…/invocations")]
pub struct BadEndpoint(String);

impl Invoker {
    /// Invokes a function of this process.
    #[must_use]
    pub fn function(function: Arc<Function>) -> Self {
        Self(Way::Function(function))
    }

    /// Invokes a function at an endpoint. A path that ends in `/invocations` is taken as it is.
    ///
    /// # Errors
    /// The endpoint is no http URL.
    pub fn endpoint(endpoint: &str, function: &str, timeout: Duration) -> Result<Self, BadEndpoint> {
        let base = endpoint.trim_end_matches('/');
        let whole = match base.ends_with("/invocations") {
            true => base.to_owned(),
            false => format!("{base}/2015-03-31/functions/{function}/invocations"),
        };
        let uri = http_client::http_uri(&whole).ok_or_else(|| BadEndpoint(endpoint.to_owned()))?;
        let endpoint = Endpoint { client: http_client::client(), uri, timeout, client_context: None };
        Ok(Self(Way::Endpoint(Arc::new(endpoint))))
    }

    /// Sends a client context, which is JSON, along to an endpoint. A function of this process is never given one.
    #[must_use]
    pub fn with_client_context(self, json: &str) -> Self {
        match self.0 {
            Way::Endpoint(endpoint) => {
                let encoded = base64::engine::general_purpose::STANDARD.encode(json);
                let client_context = HeaderValue::try_from(encoded).ok();
                Self(Way::Endpoint(Arc::new(Endpoint { client_context, ..Arc::unwrap_or_clone(endpoint) })))
            }
            function @ Way::Function(_) => Self(function),
        }
    }

    /// The longest an invocation may take, whatever comes of it.
    pub(crate) fn longest(&self) -> Duration {
        match &self.0 {
            Way::Function(function) => {
                let limits = &function.settings.limits;
                limits.wait + limits.init.max(limits.timeout) + limits.timeout
            }
            Way::Endpoint(endpoint) => endpoint.timeout,
        }
    }

    /// Invokes with a payload.
    pub async fn invoke(&self, payload: Bytes) -> Invoked {
        match &self.0 {
            Way::Function(function) => {
                match function.invoke(Function::new_request_id(), Invocation::of(payload)).await {
                    Ok(answer) if answer.error.is_none() => Invoked::Answer(answer.payload),
                    Ok(answer) => Invoked::FunctionError(excerpt(&answer.payload)),
                    Err(refused) => Invoked::NotReached(refused.to_string()),
                }
            }
            Way::Endpoint(endpoint) => match tokio::time::timeout(endpoint.timeout, endpoint.post(payload)).await {
                Ok(invoked) => invoked,
                Err(_) => Invoked::FunctionError(format!("no answer within {} s", endpoint.timeout.as_secs())),
            },
        }
    }
}

impl Endpoint {
    async fn post(&self, payload: Bytes) -> Invoked {
        let mut request = Request::post(self.uri.clone()).body(Full::new(payload)).unwrap_or_default();
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.headers_mut().extend(self.client_context.clone().map(|context| (CLIENT_CONTEXT, context)));
        let (parts, body) = match self.client.request(request).await {
            Ok(response) => response.into_parts(),
            Err(error) => return Invoked::NotReached(http_client::describe(&error)),
        };
        let body = match Limited::new(body, 2 * PAYLOAD_LIMIT).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return Invoked::NotReached(format!("the answer ended early: {error}")),
        };
        let is_lambda = parts.headers.contains_key(EXECUTED_VERSION);
        judge(parts.status, parts.headers.contains_key(FUNCTION_ERROR), is_lambda, body)
    }
}

/// Emulators say less than Lambda does: errors without the header, or as status 500. What describes an error is one,
/// and so is an answer that is not JSON (the Runtime Interface Emulator's time-out is a plain sentence). What says which
/// version it executed, as Lambda does, is believed by its header alone.
fn judge(status: StatusCode, has_error_header: bool, is_lambda: bool, body: Bytes) -> Invoked {
    if is_lambda && status == StatusCode::OK && !has_error_header {
        return Invoked::Answer(body);
    }
    let json = serde_json::from_slice::<Value>(&body);
    let has = |key: &str| json.as_ref().ok().and_then(|json| json.get(key)).is_some_and(Value::is_string);
    let describes_an_error = has("errorMessage") && has("errorType") || has("error_message") && has("error_type");
    match status {
        _ if has_error_header || describes_an_error => Invoked::FunctionError(excerpt(&body)),
        StatusCode::OK if body.is_empty() || json.is_ok() => Invoked::Answer(body),
        StatusCode::OK | StatusCode::REQUEST_TIMEOUT => Invoked::FunctionError(excerpt(&body)),
        status => Invoked::NotReached(format!("{status}: {}", excerpt(&body))),
    }
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_emulators_are_understood() {
        let check = |status: u16, header: bool, body: &'static str, expected: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            let outcome = match judge(status, header, false, Bytes::from_static(body.as_bytes())) {
                Invoked::Answer(_) => "answer",
                Invoked::FunctionError(_) => "error",
                Invoked::NotReached(_) => "not reached",
            };
            assert_eq!(outcome, expected, "{status} {body}");
        };
        check(200, false, r#"{"batchItemFailures":[]}"#, "answer");
        check(200, false, "", "answer");
        check(200, false, "null", "answer");
        check(200, true, r#"{"errorMessage":"x"}"#, "error");
        check(200, false, r#"{"errorMessage":"x","errorType":"y"}"#, "error");
        check(200, false, "Task timed out after 3.00 seconds", "error");
        check(500, false, r#"{"errorMessage":"x","errorType":"y"}"#, "error");
        check(500, false, "oops", "not reached");
        check(429, false, r#"{"Reason":"x"}"#, "not reached");
        check(408, false, "", "error");
        check(404, false, "", "not reached");
        let looks_like_an_error = Bytes::from_static(br#"{"errorMessage":"x","errorType":"y"}"#);
        let judged = judge(StatusCode::OK, false, true, looks_like_an_error.clone());
        assert_eq!(judged, Invoked::Answer(looks_like_an_error), "Lambda says it in the header");
    }

    #[test]
    fn an_endpoint_is_a_base_or_the_whole_path() {
        let uri = |endpoint: &str| match Invoker::endpoint(endpoint, "f", Duration::from_secs(1)) {
            Ok(Invoker(Way::Endpoint(endpoint))) => endpoint.uri.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(uri("http://h:1/"), "http://h:1/2015-03-31/functions/f/invocations");
        assert_eq!(
            uri("http://h:1/2015-03-31/functions/function/invocations"),
            "http://h:1/2015-03-31/functions/function/invocations"
        );
        assert!(uri("h:1").starts_with("Err"));
        assert!(uri("https://h:1").starts_with("Err"));
    }
}
