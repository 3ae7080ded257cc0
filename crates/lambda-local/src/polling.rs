//! Event sources without functions of their own: they invoke elsewhere, and tell how they are.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::net::TcpListener;

use crate::event_source::EventSource;
use crate::http_server::{self, Patience};
use crate::invoke_api;
use crate::status;
use crate::waiting;

/// Event sources at work.
#[derive(Clone, Debug)]
pub struct Polling {
    event_sources: Arc<[EventSource]>,
    not_supported: Arc<[String]>,
}

impl Polling {
    /// Event sources, with what their template asks for and does not get.
    #[must_use]
    pub fn new(event_sources: Vec<EventSource>, not_supported: Vec<String>) -> Self {
        Self { event_sources: event_sources.into(), not_supported: not_supported.into() }
    }

    /// Stops them all, each within `patience`, and says now and then what it is waiting for.
    pub async fn stop(&self, patience: Duration) {
        let stopped = futures::future::join_all(self.event_sources.iter().map(|source| source.stop(patience)));
        let running = || self.event_sources.iter().filter_map(EventSource::running).collect();
        waiting::tell(stopped, patience, running).await;
    }
}

/// Serves `/health` and `/status` for as long as the program runs.
pub async fn serve(polling: Polling, listener: TcpListener) {
    let (_open, closing) = http_server::closing();
    http_server::serve(listener, closing, Patience::CLIENTS, move |_, request| {
        let polling = polling.clone();
        async move {
            match request.uri().path() {
                "/health" => status::health(&polling.event_sources),
                "/status" => status::of_event_sources(&polling.event_sources, &polling.not_supported).await,
                _ => invoke_api::error(
                    StatusCode::NOT_FOUND,
                    "ResourceNotFoundException",
                    "there is /health and /status",
                ),
            }
        }
    })
    .await;
}
