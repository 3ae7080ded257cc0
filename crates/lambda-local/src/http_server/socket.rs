//! A connection's socket, as hyper uses it.
//!
//! A request that hyper cannot read never reaches a handler: hyper answers it by itself, without a body, and closes. Whatever
//! hyper writes while no request is being answered is such an answer: it is kept from the client, and [`Socket::end`]
//! gives one that says why, in the shape of all others. (An answer still on its way to a slow client when the next request
//! turns out to be unreadable hides that: then hyper's own goes out.)
//!
//! Bounds: a client takes something of what it is sent within a given time; after an answer to what could not be read no more
//! than [`LINGER`] is waited for the client to hang up.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::reply::{PROBLEM, said};
use crate::invocation::request_id_text;
use crate::pool::RequestId;

/// How long a client may go on sending what nobody reads, before it is told that nobody does.
const LINGER: Duration = Duration::from_secs(1);

/// What a connection is at.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// A request is being answered.
    answering: AtomicBool,
    /// Its answer is not all with the client's side of the socket.
    owed: AtomicBool,
}

/// A request is being answered for as long as this lives.
#[derive(Debug)]
pub(crate) struct Answering(Arc<Exchange>);

impl Exchange {
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        self.answering.store(true, Ordering::Relaxed);
        self.owed.store(true, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.store(false, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    exchange: Arc<Exchange>,
    /// What hyper answered by itself.
    by_itself: Vec<u8>,
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, exchange: Arc<Exchange>, stall: Duration) -> Self {
        Self { stream, exchange, by_itself: vec![], stall, stalled: None }
    }

    /// Closes the connection, after the answer to what could not be read, if that is why it ends.
    pub(super) async fn end(mut self, error: Option<hyper::Error>) {
        if let (false, Some(error)) = (self.by_itself.is_empty(), error) {
            let answer = unreadable(&self.by_itself, &error);
            self.exchange.owed.store(true, Ordering::Relaxed);
            let told = self.write_all(&answer).await.is_ok() && self.stream.shutdown().await.is_ok();
            if told {
                // What the client still sends would reset the connection, and take the answer away from it.
                let drained = async { while matches!(self.stream.read(&mut [0; 4096]).await, Ok(1..)) {} };
                let _ = tokio::time::timeout(LINGER, drained).await;
            }
            return;
        }
        let _ = self.stream.shutdown().await;
    }

    fn is_hypers_own(&self) -> bool {
        !self.exchange.owed.load(Ordering::Relaxed)
    }

    /// Gives up on a client that takes nothing.
    fn bounded<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall = self.stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// The answer to a request that hyper could not read, with the status of hyper's own.
fn unreadable(hypers_own: &[u8], error: &hyper::Error) -> Vec<u8> {
    let status = hypers_own.get(9..12).and_then(|code| StatusCode::from_bytes(code).ok());
    let status = status.unwrap_or(StatusCode::BAD_REQUEST);
    let hint = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "send at most 100 headers, and less in all",
        StatusCode::URI_TOO_LONG => "send a shorter path",
        _ if error.to_string().contains("URI") => "percent-encode what a path may not hold as it is",
        _ => "send HTTP/1.1, and headers without control characters",
    };
    let body = said(status, &format!("The request cannot be read ({error}): {hint}"));
    let id = request_id_text(RequestId(uuid::Uuid::new_v4().as_u128()));
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {PROBLEM}\r\ncontent-length: {}\r\nx-amzn-requestid: {id}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    [head, body].concat().into_bytes()
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_hypers_own() {
            self.by_itself.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_hypers_own() {
            pieces.iter().for_each(|piece| self.by_itself.extend_from_slice(piece));
            return Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if !self.exchange.answering.load(Ordering::Relaxed) {
            self.exchange.owed.store(false, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
