//! Which request goes where.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

use super::Shared;
use crate::clock;
use crate::function::Function;
use crate::function_url::front::Front;
use crate::function_url::request::Arrival;
use crate::function_url::{self, cors};
use crate::http_server::{self, BodyError, Ends, Reply, Room, read_body_into};
use crate::invocation::{Invocation, PAYLOAD_LIMIT, STREAM_LIMIT, request_id_text, trace_id};
use crate::invoke_api;
use crate::pool::RequestId;
use crate::status;
use crate::template::{UrlSpec, called};

const FUNCTION_URL: &str = "/lambda-url/";
const INVOKE_API: &str = "/2015-03-31/functions/";

/// Every answer but those about this program itself says the id of its request: the one the function is given.
pub(crate) async fn route(shared: Arc<Shared>, ends: Ends, request: Request<Incoming>) -> Reply {
    match request.uri().path() {
        "/health" => return status::health(&shared.event_sources),
        "/status" => return status::status(&shared).await,
        _ => {}
    }
    let id = Function::new_request_id();
    let mut reply = lambda(&shared, ends, id, request).await;
    http_server::identify(&mut reply, id);
    reply
}

async fn lambda(shared: &Shared, ends: Ends, id: RequestId, request: Request<Incoming>) -> Reply {
    let path = request.uri().path();
    if let Some(rest) = path.strip_prefix(FUNCTION_URL) {
        let name_length = rest.find('/').unwrap_or(rest.len());
        let function = shared.names.get(&rest[..name_length]);
        return match function.and_then(|function| Some((function, function.spec().url.as_ref()?))) {
            Some((function, spec)) => {
                let call = Call { function, room: &shared.room, ends, id, prefix: FUNCTION_URL.len() + name_length };
                url(spec, call, request).await
            }
            None => function_url::unknown(),
        };
    }
    if let Some(name) = path.strip_prefix(INVOKE_API).and_then(|rest| rest.strip_suffix("/invocations")) {
        let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
        return invoke(shared, &name, id, request).await;
    }
    let message = "there is /lambda-url/<function>/, /2015-03-31/functions/<function>/invocations, /health, /status";
    invoke_api::error(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
}

async fn invoke(shared: &Shared, name: &str, id: RequestId, request: Request<Incoming>) -> Reply {
    if request.method() != http::Method::POST {
        return invoke_api::error(StatusCode::METHOD_NOT_ALLOWED, "InvalidRequestMethod", "invocations are POSTed");
    }
    let Some(called) = called(name) else { return invoke_api::no_name(name) };
    let Some(function) = shared.names.get(called) else { return invoke_api::not_found(name) };
    let (parts, body) = request.into_parts();
    invoke_api::handle(function, shared, id, &parts, body).await
}

/// A request to a function's URL.
#[derive(Clone, Copy)]
struct Call<'a> {
    function: &'a Arc<Function>,
    room: &'a Room,
    ends: Ends,
    id: RequestId,
    /// How much of the path is not the function's.
    prefix: usize,
}

async fn url(spec: &UrlSpec, call: Call<'_>, request: Request<Incoming>) -> Reply {
    let (parts, body) = request.into_parts();
    let Some(cors) = &spec.cors else { return call.make(spec, parts, body).await };
    if let Some(reply) = cors::preflight(cors, &parts.method, &parts.headers) {
        return reply;
    }
    let origin = parts.headers.get(header::ORIGIN).cloned();
    let mut reply = call.make(spec, parts, body).await;
    cors::apply(cors, origin.as_ref(), &mut reply);
    reply
}

impl Call<'_> {
    async fn make(self, spec: &UrlSpec, mut parts: Parts, body: Incoming) -> Reply {
        // What is held of the room is held until the answer is there.
        let (body, _held) = match read_body_into(self.room, body, PAYLOAD_LIMIT).await {
            Ok(body) => body,
            Err(error) => return function_url::no_body(error),
        };
        let epoch_ms = clock::epoch_ms();
        let own_trace_id = trace_id(self.id, epoch_ms);
        let front = Front { peer: self.ends.peer.ip(), address: self.ends.address, trace_id: &own_trace_id };
        if let Err(unfit) = function_url::front::prepare(&mut parts, &body, front) {
            return function_url::unfit(unfit);
        }
        let event = self.event(&parts, &body, epoch_ms);
        // Base64 and the event's own fields count, as on AWS.
        if event.len() > PAYLOAD_LIMIT {
            return function_url::no_body(BodyError::TooLarge);
        }
        let trace_id = parts.headers.get(invoke_api::TRACE_ID).cloned();
        let stream_limit = if spec.streams { STREAM_LIMIT } else { PAYLOAD_LIMIT };
        let invocation = Invocation { trace_id: trace_id.clone(), stream_limit, ..Invocation::of(event) };
        let mut reply = function_url::reply(self.function.invoke(self.id, invocation).await);
        reply.headers_mut().extend(trace_id.map(|id: HeaderValue| (invoke_api::TRACE_ID, id)));
        reply
    }

    fn event(&self, parts: &Parts, body: &bytes::Bytes, epoch_ms: u64) -> bytes::Bytes {
        let raw_path = &parts.uri.path()[self.prefix..];
        let arrival = Arrival {
            function: self.function.name(),
            raw_path: if raw_path.is_empty() { "/" } else { raw_path },
            peer: self.ends.peer.ip(),
            request_id: &request_id_text(self.id),
            epoch_ms,
        };
        function_url::request::event(parts, body, arrival)
    }
}
