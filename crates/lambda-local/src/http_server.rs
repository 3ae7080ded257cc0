//! A plain HTTP/1.1 listener over hyper: one task per connection, whole bodies in and out.
//!
//! Bounds: a request's body is held in memory up to the limit its reader names; what goes on beyond it is read and
//! thrown away up to [`DISCARDED`] so that the client can read the answer, then the connection is closed.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a handler gives back.
pub(crate) type Reply = Response<Full<Bytes>>;

const DISCARDED: usize = 64 * 1024 * 1024;

/// Tells every connection that the server is going: each finishes the request it is at.
#[derive(Clone, Debug)]
pub(crate) struct Closing(watch::Receiver<bool>);

/// The other end of [`Closing`].
#[derive(Debug)]
pub(crate) struct CloseHandle(watch::Sender<bool>);

pub(crate) fn closing() -> (CloseHandle, Closing) {
    let (sender, receiver) = watch::channel(false);
    (CloseHandle(sender), Closing(receiver))
}

impl Closing {
    async fn begun(&mut self) {
        // A handle that was dropped says the same.
        let _ = self.0.wait_for(|closing| *closing).await;
    }
}

impl CloseHandle {
    /// Closes listeners and idle connections, and waits (bounded) until the busy ones are done.
    pub(crate) async fn close(self, patience: Duration) {
        let _ = self.0.send(true);
        let _ = tokio::time::timeout(patience, self.0.closed()).await;
    }
}

/// Accepts connections until closing.
pub(crate) async fn serve<H, F>(listener: TcpListener, mut closing: Closing, handler: H)
where
    H: Fn(SocketAddr, Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let handler = Arc::new(handler);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = closing.begun() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                tokio::spawn(connection(stream, peer, closing.clone(), handler.clone()));
            }
            Err(error) => {
                // Out of file descriptors, mostly: connections that end give some back.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection<H, F>(stream: TcpStream, peer: SocketAddr, mut closing: Closing, handler: Arc<H>)
where
    H: Fn(SocketAddr, Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let reply = handler(peer, request);
        async move { Ok::<_, Infallible>(reply.await) }
    });
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = closing.begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

/// Why a body could not be had.
#[derive(Debug)]
pub(crate) enum BodyError {
    TooLarge,
    Broken,
}

/// A body of at most `limit` bytes. One that comes in a single piece is not copied.
pub(crate) async fn read_body(mut body: Incoming, limit: usize) -> Result<Bytes, BodyError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let Some(mut first) = next_data(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        discard(body).await;
        return Err(BodyError::TooLarge);
    }
    let mut whole = None::<BytesMut>;
    while let Some(data) = next_data(&mut body).await? {
        let buffer = whole.get_or_insert_with(|| BytesMut::from(std::mem::take(&mut first)));
        if buffer.len() + data.len() > limit {
            discard(body).await;
            return Err(BodyError::TooLarge);
        }
        buffer.extend_from_slice(&data);
    }
    Ok(whole.map_or(first, BytesMut::freeze))
}

async fn next_data(body: &mut Incoming) -> Result<Option<Bytes>, BodyError> {
    while !body.is_end_stream() {
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(_)) => return Err(BodyError::Broken),
            None => break,
        }
    }
    Ok(None)
}

async fn discard(mut body: Incoming) {
    let mut discarded = 0;
    while let Ok(Some(data)) = next_data(&mut body).await {
        discarded += data.len();
        if discarded > DISCARDED {
            return;
        }
    }
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// A plain text answer.
pub(crate) fn text(status: StatusCode, body: &'static str) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    reply
}
