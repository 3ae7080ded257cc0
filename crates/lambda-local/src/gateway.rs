//! A gateway that queues in front of a back end which takes only so many requests at a time.
//!
//! Bounds: [`Options::max_in_flight`] requests are forwarded at a time, [`Options::max_waiting`] wait for their turn, none
//! longer than [`Options::max_wait`]; everyone else gets 429 with Retry-After. Bodies are held in memory, each up to
//! [`BODY_LIMIT`] and together up to [`Options::max_body_bytes`], of those who have a place only; one that has not come when
//! its wait is over gives the place back, and its client gets 408. Answers are passed on as they come, trailers included, and
//! never held: a back end that is faster than a client waits for it, and a client that takes nothing is left. A back end that
//! refuses connections (it is being rebuilt) is asked again until the wait is over, which is safe since it has seen nothing
//! of the request; then, and when it fails later, the answer is 502. Whatever the gateway says itself is a
//! problem (RFC 9457).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::function::Function;
use crate::http_client::{self, Client};
use crate::http_server::{self, BodyError, CloseHandle, Patience, Reply, read_body_into};
use crate::http_server::{Room as Bodies, message};
use crate::invocation::PAYLOAD_LIMIT;

mod relay;

use relay::relay;

/// Most bytes of a request's body: as many as a function URL takes.
pub const BODY_LIMIT: usize = PAYLOAD_LIMIT;
/// How long a back end that refuses connections is left alone before it is asked again.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);
/// No function runs longer; a back end that has not answered by then never will (cargo-lambda's, when its function crashed).
const LONGEST_EXCHANGE: Duration = Duration::from_secs(15 * 60);

/// What a gateway is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to: `http://HOST:PORT`, with a path to put before each request's own.
    pub forward: String,
    /// Requests forwarded at a time.
    pub max_in_flight: usize,
    /// Requests that may wait.
    pub max_waiting: usize,
    /// How long one may wait, and its body take to come.
    pub max_wait: Duration,
    /// Bytes of requests' bodies that are held at a time.
    pub max_body_bytes: usize,
}

/// The address to forward to is none.
#[derive(Debug, thiserror::Error)]
#[error("--forward {0:?} is not of the form http://HOST:PORT[/path]")]
pub struct BadForward(String);

/// A gateway at work.
#[derive(Debug)]
pub struct Gateway(CloseHandle);

#[derive(Debug)]
struct Way {
    client: Client,
    authority: http::uri::Authority,
    prefix: String,
    room: Room,
    bodies: Bodies,
}

/// Who may go ahead, who waits, who is sent away.
#[derive(Debug)]
struct Room {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    max_waiting: usize,
    max_wait: Duration,
}

impl Gateway {
    /// Starts forwarding.
    ///
    /// # Errors
    /// The address to forward to is none.
    pub fn start(options: &Options, listener: TcpListener) -> Result<Self, BadForward> {
        let bad = || BadForward(options.forward.clone());
        let uri = http_client::http_uri(&options.forward).ok_or_else(bad)?;
        let way = Arc::new(Way {
            client: http_client::client(),
            authority: uri.authority().cloned().ok_or_else(bad)?,
            prefix: uri.path().trim_end_matches('/').to_owned(),
            room: Room {
                free: Arc::new(Semaphore::new(options.max_in_flight)),
                waiting: AtomicUsize::new(0),
                max_waiting: options.max_waiting,
                max_wait: options.max_wait,
            },
            bodies: Bodies::new(options.max_body_bytes),
        });
        let (close, closing) = http_server::closing();
        tokio::spawn(http_server::serve(listener, closing, Patience::CLIENTS, move |_, request| {
            let way = Arc::clone(&way);
            async move {
                let id = Function::new_request_id();
                let mut reply = way.handle(request).await;
                if !reply.headers().contains_key("x-amzn-requestid") {
                    http_server::identify(&mut reply, id);
                }
                reply
            }
        }));
        Ok(Self(close))
    }

    /// Takes no new connections and waits, no longer than `patience`, for the requests under way.
    pub async fn stop(self, patience: Duration) {
        self.0.close(patience).await;
    }
}

impl Way {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Reply {
        let deadline = Instant::now() + self.room.max_wait;
        let Some(place) = self.room.enter(deadline).await else { return throttled("Too many requests are waiting") };
        let (mut parts, body) = request.into_parts();
        let body = tokio::time::timeout_at(deadline, read_body_into(&self.bodies, body, BODY_LIMIT)).await;
        let (body, held) = match body.unwrap_or(Err(BodyError::Slow)) {
            Ok(body) => body,
            Err(error) => return no_body(error),
        };
        let Some(uri) = self.target(&parts.uri) else {
            return message(StatusCode::BAD_REQUEST, "The request's path cannot be forwarded");
        };
        parts.uri = uri;
        parts.version = http::Version::HTTP_11;
        let wants_trailers = parts.headers.get(header::TE).is_some_and(|te| te == "trailers");
        remove_hop_by_hop(&mut parts.headers);
        if wants_trailers {
            parts.headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        // In a task of its own: a caller that leaves takes nothing out of the back end, so its place stays taken until the
        // back end has answered.
        let exchange = tokio::spawn(async move {
            let until = Instant::now() + LONGEST_EXCHANGE;
            let response = tokio::time::timeout_at(until, self.forward(parts, body, deadline)).await;
            drop(held);
            match response {
                Ok(Ok(response)) => relay(response, place, until),
                Ok(Err(reply)) => reply,
                Err(_) => message(StatusCode::GATEWAY_TIMEOUT, "The back end did not answer in time"),
            }
        });
        let failed = |_| message(StatusCode::BAD_GATEWAY, "The back end did not answer");
        exchange.await.unwrap_or_else(failed)
    }

    fn target(&self, uri: &Uri) -> Option<Uri> {
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let path: PathAndQuery = format!("{}{path}", self.prefix).parse().ok()?;
        Uri::builder().scheme("http").authority(self.authority.clone()).path_and_query(path).build().ok()
    }

    async fn forward(
        &self,
        parts: http::request::Parts,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Response<Incoming>, Reply> {
        loop {
            let request = Request::from_parts(parts.clone(), Full::new(body.clone()));
            match self.client.request(request).await {
                Ok(response) => return Ok(response),
                Err(error) if error.is_connect() && Instant::now() + REFUSED_PAUSE < deadline => {
                    tokio::time::sleep(REFUSED_PAUSE).await;
                }
                Err(error) => {
                    tracing::warn!("the back end failed a request: {}", http_client::describe(&error));
                    return Err(message(StatusCode::BAD_GATEWAY, "The back end did not answer"));
                }
            }
        }
    }
}

impl Room {
    async fn enter(&self, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(place);
        }
        let _waiting = Waiting::enter(&self.waiting, self.max_waiting)?;
        tokio::time::timeout_at(deadline, Arc::clone(&self.free).acquire_owned()).await.ok()?.ok()
    }
}

/// One who waits, counted for as long as it does: also when its caller goes away.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        if count.fetch_add(1, Ordering::Relaxed) >= most {
            count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn no_body(error: BodyError) -> Reply {
    match error {
        BodyError::TooLarge => {
            message(StatusCode::PAYLOAD_TOO_LARGE, &format!("The body is larger than {BODY_LIMIT} bytes"))
        }
        BodyError::Broken => message(StatusCode::BAD_REQUEST, "The body ended early"),
        BodyError::Slow => message(StatusCode::REQUEST_TIMEOUT, "The body did not come in time"),
        BodyError::NoRoom => throttled("Too many bytes of bodies are waiting"),
    }
}

/// Headers that belong to one connection, not to the request.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let always = [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::UPGRADE, header::TE];
    for name in always.into_iter().chain(named) {
        headers.remove(name);
    }
    headers.remove("keep-alive");
}

fn throttled(why: &str) -> Reply {
    let mut reply = message(StatusCode::TOO_MANY_REQUESTS, why);
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}
