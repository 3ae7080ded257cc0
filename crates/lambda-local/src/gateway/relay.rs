//! An answer on its way from the back end to the client: as it comes, frame by frame, trailers included.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use super::remove_hop_by_hop;
use crate::http_server::{BoxError, Reply, ReplyBody};

/// The answer of a back end, which keeps its place until all of it is passed on.
pub(super) fn relay(response: Response<Incoming>, place: OwnedSemaphorePermit, until: Instant) -> Reply {
    let (mut parts, body) = response.into_parts();
    remove_hop_by_hop(&mut parts.headers);
    parts.version = http::Version::HTTP_11;
    let late = Box::pin(tokio::time::sleep_until(until));
    Response::from_parts(parts, ReplyBody::streamed(Relayed { body, late, _place: place }))
}

/// It ends early when it takes too long.
#[derive(Debug)]
struct Relayed {
    body: Incoming,
    late: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let broken = |error: hyper::Error| {
                tracing::warn!("the back end broke off an answer: {error}");
                BoxError::from(error)
            };
            return Poll::Ready(frame.map(|frame| frame.map_err(broken)));
        }
        let late = self.late.as_mut().poll(context);
        late.map(|()| Some(Err("the back end did not come to the end of its answer in time".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
