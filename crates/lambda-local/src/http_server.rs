//! A plain HTTP/1.1 listener over hyper: one task per connection, whole bodies in ([`body`]), whole or streamed ones out
//! ([`reply`]). What hyper refuses before there is a request to hand over is answered in the words of this program
//! ([`socket`]).
//!
//! Bounds: [`MOST_CONNECTIONS`] connections are open at a time, more wait in the kernel's queue; a head comes within
//! [`Patience::head`], in [`LARGEST_HEAD`] and with at most 100 headers; a client that takes nothing of its answer for [`Patience::stall`] is
//! left. What the bounds of a body are its reader names.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

mod body;
mod reply;
mod socket;

pub(crate) use body::{BodyError, Held, Room, read_body, read_body_into};
pub(crate) use reply::{BoxError, Reply, ReplyBody, empty, identify, json, message};

use socket::{Exchange, Socket};

/// Connections of one listener that are open at a time.
const MOST_CONNECTIONS: usize = 16_384;

/// Most bytes of a head, or thereabouts: what comes with one read is read.
const LARGEST_HEAD: usize = 64 * 1024;

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For a request's head, the idle time before it included. None: as long as it likes.
    pub(crate) head: Option<Duration>,
    /// For taking anything of what is sent.
    pub(crate) stall: Duration,
}

impl Patience {
    /// With anybody. A proxy that keeps connections closes them earlier (NGINX after 60 s), so none is found dead.
    pub(crate) const CLIENTS: Self = Self { head: Some(Duration::from_secs(75)), stall: Duration::from_secs(60) };
    /// With the processes of functions, which keep connections for as long as they are idle.
    pub(crate) const FUNCTIONS: Self = Self { head: None, ..Self::CLIENTS };
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) peer: SocketAddr,
    /// This program's.
    pub(crate) address: SocketAddr,
}

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
pub(crate) async fn serve<H, F>(listener: TcpListener, mut closing: Closing, patience: Patience, handler: H)
where
    H: Fn(Ends, Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let handler = Arc::new(handler);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = async {
            // Its permits are never taken away.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = closing.begun() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (closing, handler) = (closing.clone(), Arc::clone(&handler));
                tokio::spawn(async move {
                    let _place = place;
                    connection(stream, peer, closing, patience, handler).await;
                });
            }
            Err(error) => {
                // Out of file descriptors, mostly: connections that end give some back.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection<H, F>(
    stream: TcpStream,
    peer: SocketAddr,
    mut closing: Closing,
    patience: Patience,
    handler: Arc<H>,
) where
    H: Fn(Ends, Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    // A connection without an address of its own is gone already.
    let Ok(address) = stream.local_addr() else { return };
    let _ = stream.set_nodelay(true);
    let exchange = Arc::new(Exchange::default());
    let socket = Socket::new(stream, Arc::clone(&exchange), patience.stall);
    let service = service_fn(move |request| {
        let answering = exchange.begin();
        let reply = handler(Ends { peer, address }, request);
        Box::pin(async move { Ok::<_, Infallible>(reply.await.map(|body| body.of(answering))) })
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience.head).max_buf_size(LARGEST_HEAD);
    let mut connection = builder.serve_connection(TokioIo::new(socket), service);
    let outcome = tokio::select! {
        outcome = std::future::poll_fn(|context| connection.poll_without_shutdown(context)) => outcome,
        () = closing.begun() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            std::future::poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    let socket = connection.into_parts().io.into_inner();
    if let Err(error) = &outcome {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
    socket.end(outcome.err()).await;
}

#[cfg(test)]
mod tests;
