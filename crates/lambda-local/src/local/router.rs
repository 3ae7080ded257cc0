//! Which request goes where.

use std::net::SocketAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{Request, StatusCode, header};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

use super::Shared;
use crate::clock;
use crate::function::Function;
use crate::function_url::{self, cors};
use crate::http_server::{BodyError, Reply, read_body};
use crate::invocation::{Invocation, PAYLOAD_LIMIT, STREAM_LIMIT, request_id_text, trace_id};
use crate::invoke_api;
use crate::status;
use crate::template::plain_name;

const FUNCTION_URL: &str = "/lambda-url/";
const INVOKE_API: &str = "/2015-03-31/functions/";

pub(crate) async fn route(shared: Arc<Shared>, peer: SocketAddr, request: Request<Incoming>) -> Reply {
    let path = request.uri().path();
    if let Some(rest) = path.strip_prefix(FUNCTION_URL) {
        let name_length = rest.find('/').unwrap_or(rest.len());
        return match shared.names.get(&rest[..name_length]) {
            Some(function) => url(&Arc::clone(function), peer, FUNCTION_URL.len() + name_length, request).await,
            None => function_url::unknown(),
        };
    }
    if let Some(name) = path.strip_prefix(INVOKE_API).and_then(|rest| rest.strip_suffix("/invocations")) {
        let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
        return invoke(&shared, &name, request).await;
    }
    match path {
        "/health" => status::health(&shared.event_sources),
        "/status" => status::status(&shared).await,
        _ => {
            let message =
                "there is /lambda-url/<function>/, /2015-03-31/functions/<function>/invocations, /health, /status";
            invoke_api::error(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
        }
    }
}

async fn invoke(shared: &Shared, name: &str, request: Request<Incoming>) -> Reply {
    if request.method() != http::Method::POST {
        return invoke_api::error(StatusCode::METHOD_NOT_ALLOWED, "InvalidRequestMethod", "invocations are POSTed");
    }
    let Some(function) = shared.names.get(plain_name(name)) else { return invoke_api::not_found(name) };
    let (parts, body) = request.into_parts();
    invoke_api::handle(function, &shared.asynchronous, &parts, body).await
}

async fn url(function: &Arc<Function>, peer: SocketAddr, prefix: usize, request: Request<Incoming>) -> Reply {
    let Some(spec) = &function.spec().url else { return function_url::unknown() };
    let (parts, body) = request.into_parts();
    let Some(cors) = &spec.cors else { return call(function, peer, prefix, parts, body).await };
    if let Some(reply) = cors::preflight(cors, &parts.method, &parts.headers) {
        return reply;
    }
    let origin = parts.headers.get(header::ORIGIN).cloned();
    let mut reply = call(function, peer, prefix, parts, body).await;
    cors::apply(cors, origin.as_ref(), &mut reply);
    reply
}

async fn call(function: &Arc<Function>, peer: SocketAddr, prefix: usize, mut parts: Parts, body: Incoming) -> Reply {
    let body = match read_body(body, PAYLOAD_LIMIT).await {
        Ok(body) => body,
        Err(BodyError::TooLarge) => return invoke_api::too_large(PAYLOAD_LIMIT),
        Err(BodyError::Broken) => {
            return invoke_api::error(StatusCode::BAD_REQUEST, "InvalidRequest", "the body ended early");
        }
    };
    let request_id = Function::new_request_id();
    let epoch_ms = clock::epoch_ms();
    function_url::request::add_headers(&mut parts.headers, peer.ip(), &trace_id(request_id, epoch_ms));
    let raw_path = &parts.uri.path()[prefix..];
    let event = function_url::request::event(
        &parts,
        &body,
        function_url::request::Arrival {
            function: function.name(),
            raw_path: if raw_path.is_empty() { "/" } else { raw_path },
            peer: peer.ip(),
            request_id: &request_id_text(request_id),
            epoch_ms,
        },
    );
    // Base64 and the event's own fields count, as on AWS.
    if event.len() > PAYLOAD_LIMIT {
        return invoke_api::too_large(PAYLOAD_LIMIT);
    }
    let trace_id = parts.headers.get(invoke_api::TRACE_ID).cloned();
    let invocation = Invocation { trace_id, stream_limit: STREAM_LIMIT, ..Invocation::of(event) };
    function_url::reply(function.invoke(request_id, invocation).await)
}
