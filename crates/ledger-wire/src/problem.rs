//! Errors of the HTTP door: RFC 9457 problem details.

use serde::{Deserialize, Serialize};

use crate::fault::FieldFault;
use crate::reason::cut;

/// The media type of a [`Problem`].
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A problem as a client reads it. `type` is stable; act on it, not on the words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub r#type: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// The field, header or parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// Every kind of problem, with its status and title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    InvalidRequest,
    NotFound,
    MethodNotAllowed,
    PayloadTooLarge,
    UnsupportedMediaType,
    IdempotencyKeyReused,
    LogUnavailable,
    StoreUnavailable,
    NotReady,
    Internal,
}

impl ProblemKind {
    const fn parts(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::InvalidRequest => ("invalid-request", 400, "The request is not valid"),
            Self::NotFound => ("not-found", 404, "There is no such thing"),
            Self::MethodNotAllowed => ("method-not-allowed", 405, "The method is not allowed here"),
            Self::PayloadTooLarge => ("payload-too-large", 413, "The body is too large"),
            Self::UnsupportedMediaType => ("unsupported-media-type", 415, "The body must be plain JSON"),
            Self::IdempotencyKeyReused => {
                ("idempotency-key-reused", 422, "The idempotency key stands for another command")
            }
            Self::LogUnavailable => ("log-unavailable", 503, "The log cannot be reached"),
            Self::StoreUnavailable => ("store-unavailable", 503, "The accounts cannot be read"),
            Self::NotReady => ("not-ready", 503, "Not everything needed is there"),
            Self::Internal => ("internal", 500, "Something went wrong here"),
        }
    }

    pub const fn status(self) -> u16 {
        self.parts().1
    }

    pub fn detail(self, detail: impl Into<String>) -> Problem {
        let (name, status, title) = self.parts();
        Problem {
            r#type: format!("/problems/{name}"),
            title: title.to_owned(),
            status,
            detail: cut(detail.into()),
            field: None,
        }
    }
}

impl Problem {
    #[must_use]
    pub fn at_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl From<FieldFault> for Problem {
    fn from(fault: FieldFault) -> Self {
        Self { field: fault.field, ..ProblemKind::InvalidRequest.detail(fault.detail) }
    }
}
