//! `/health` and `/status`.

use http::StatusCode;
use serde::Serialize;

use crate::event_source::{EventSource, EventSourceStatus};
use crate::function::Function;
use crate::http_server::{self, Reply};
use crate::local::Shared;
use crate::pool::State;

#[derive(Serialize)]
struct Status<'a> {
    functions: Vec<FunctionStatus<'a>>,
    event_sources: Vec<EventSourceStatus>,
    not_supported: &'a [String],
}

#[derive(Serialize)]
struct FunctionStatus<'a> {
    name: &'a str,
    max_concurrency: usize,
    environments: Vec<Environment>,
}

#[derive(Serialize)]
struct Environment {
    id: String,
    pid: Option<u32>,
    state: &'static str,
    in_flight: usize,
    log: Option<String>,
}

/// Ready once every event source has joined its group: the listener answers, or nobody would read this.
pub(crate) fn health(event_sources: &[EventSource]) -> Reply {
    let ready = event_sources.iter().all(EventSource::has_joined);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    http_server::json(status, if ready { r#"{"ready":true}"# } else { r#"{"ready":false}"# })
}

pub(crate) async fn status(shared: &Shared) -> Reply {
    let functions = shared.functions.iter().map(|function| of_function(function)).collect();
    reply(functions, &shared.event_sources, &shared.not_supported).await
}

/// The status of event sources alone, as `poll` serves it.
pub(crate) async fn of_event_sources(event_sources: &[EventSource], not_supported: &[String]) -> Reply {
    reply(vec![], event_sources, not_supported).await
}

async fn reply(functions: Vec<FunctionStatus<'_>>, sources: &[EventSource], not_supported: &[String]) -> Reply {
    let event_sources = futures::future::join_all(sources.iter().map(EventSource::status)).await;
    let status = Status { functions, event_sources, not_supported };
    http_server::json(StatusCode::OK, serde_json::to_vec(&status).unwrap_or_default())
}

fn of_function(function: &Function) -> FunctionStatus<'_> {
    let log = function.log.path().map(|path| path.display().to_string());
    let environments = function.status().into_iter().map(|environment| Environment {
        id: format!("{}/{}", function.name(), environment.id.0),
        pid: environment.pid,
        state: match environment.state {
            State::Starting => "starting",
            State::Idle => "idle",
            State::Busy => "busy",
        },
        in_flight: environment.in_flight,
        log: log.clone(),
    });
    let limits = function.settings.limits;
    FunctionStatus {
        name: function.name(),
        max_concurrency: limits.concurrency.saturating_mul(limits.environments).min(limits.requests),
        environments: environments.collect(),
    }
}
