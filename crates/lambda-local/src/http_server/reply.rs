//! What a handler gives back.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, SizeHint};
use serde_json::json;

use super::socket::Answering;
use crate::invocation::request_id_text;
use crate::pool::RequestId;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// An answer.
pub(crate) type Reply = Response<ReplyBody>;

/// Why the rest of a streamed answer does not come.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    content: Content,
    /// The connection is busy with it for as long as this lives.
    _answering: Option<Answering>,
}

#[derive(Debug)]
enum Content {
    Whole(Full<Bytes>),
    Streamed(UnsyncBoxBody<Bytes, BoxError>),
}

impl ReplyBody {
    /// One that is passed on as it comes.
    pub(crate) fn streamed(body: impl Body<Data = Bytes, Error = BoxError> + Send + 'static) -> Self {
        Self { content: Content::Streamed(body.boxed_unsync()), _answering: None }
    }

    pub(super) fn of(self, answering: Answering) -> Self {
        Self { _answering: Some(answering), ..self }
    }
}

impl<B: Into<Bytes>> From<B> for ReplyBody {
    fn from(whole: B) -> Self {
        Self { content: Content::Whole(Full::new(whole.into())), _answering: None }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.content {
            Content::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Content::Streamed(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(body) => body.is_end_stream(),
            Content::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(body) => body.size_hint(),
            Content::Streamed(body) => body.size_hint(),
        }
    }
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(body.into().into());
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// The media type of what [`said`] words.
pub(super) const PROBLEM: &str = "application/problem+json";

/// What this program has to say for itself: a problem (RFC 9457), with the `Message` that AWS's front has in its place.
pub(super) fn said(status: StatusCode, message: &str) -> String {
    let title = status.canonical_reason().unwrap_or_default();
    json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": message, "Message": message})
        .to_string()
}

/// An answer of this program's own.
pub(crate) fn message(status: StatusCode, message: &str) -> Reply {
    let mut reply = json(status, said(status, message));
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
    reply
}

/// An answer that its status says all of.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Bytes::new().into());
    *reply.status_mut() = status;
    reply
}

/// Says which request it was.
pub(crate) fn identify(reply: &mut Reply, request: RequestId) {
    let id = HeaderValue::try_from(request_id_text(request)).ok();
    // In place of the function's own, if it gave one.
    reply.headers_mut().extend(id.map(|id| (REQUEST_ID, id)));
}
