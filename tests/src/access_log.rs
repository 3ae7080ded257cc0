//! NGINX's access log: one line of JSON for each request it has answered.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::wait_until;

/// NGINX writes what it has kept back after a second.
const WRITTEN_WITHIN: Duration = Duration::from_secs(20);

/// One answered request.
#[derive(Debug, Clone)]
pub struct Line(Value);

/// One attempt to have a back end answer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub back_end: String,
    pub status: String,
    /// Whether there was a connection, so that something may have been sent.
    pub connected: bool,
}

/// The requests with this id, as soon as there are so many.
pub fn await_lines(log: &Path, request_id: &str, count: usize) -> Result<Vec<Line>> {
    let mut found = 0;
    let all = wait_until(&format!("{count} requests {request_id} stand in {}", log.display()), WRITTEN_WITHIN, || {
        let lines = read(log, request_id)?;
        found = lines.len();
        Ok((found >= count).then_some(lines))
    });
    all.with_context(|| format!("there were {found}"))
}

fn read(log: &Path, request_id: &str) -> Result<Vec<Line>> {
    let text = fs::read_to_string(log).with_context(|| log.display().to_string())?;
    // The last line may be half written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let wanted = format!("\"request_id\":\"{request_id}\"");
    let of_it = whole.lines().filter(|line| line.contains(&wanted));
    of_it.map(|line| Ok(Line(serde_json::from_str(line).with_context(|| line.to_owned())?))).collect()
}

impl Line {
    pub fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    pub fn status(&self) -> u64 {
        self.0["status"].as_u64().unwrap_or_default()
    }

    /// On NGINX's own clock.
    pub fn began_ms(&self) -> Result<u64> {
        Ok(self.ended_ms()?.saturating_sub(millis(&self.0["seconds"])?))
    }

    pub fn ended_ms(&self) -> Result<u64> {
        millis(&self.0["ended"])
    }

    /// In their order.
    pub fn attempts(&self) -> Result<Vec<Attempt>> {
        let list = |name: &str| -> Vec<String> {
            self.text(name).split(", ").filter(|word| !word.is_empty()).map(ToOwned::to_owned).collect()
        };
        let (places, statuses) = (list("upstream"), list("upstream_status"));
        let connects = list("upstream_connect_seconds");
        ensure!(places.len() == statuses.len() && places.len() == connects.len(), "not as many of each: {}", self.0);
        let attempts = places.into_iter().zip(statuses).zip(connects);
        Ok(attempts
            .map(|((back_end, status), connect)| Attempt { back_end, status, connected: connect != "-" })
            .collect())
    }

    /// # Errors
    /// When a request that is no mere question was sent again after something of it may have arrived.
    pub fn sent_once(&self) -> Result<()> {
        let attempts = self.attempts()?;
        let earlier = attempts.split_last().map_or(&[][..], |(_, earlier)| earlier);
        let is_question = ["GET", "HEAD"].contains(&self.text("method"));
        ensure!(is_question || earlier.iter().all(|attempt| !attempt.connected), "sent more than once: {}", self.0);
        Ok(())
    }
}

/// Seconds with their thousandths, as NGINX writes them, in whole milliseconds.
fn millis(seconds: &Value) -> Result<u64> {
    let text = seconds.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    Ok(format!("{whole}{part:0<3}").parse()?)
}
