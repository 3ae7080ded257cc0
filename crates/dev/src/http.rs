//! The little HTTP the workshop speaks: JSON to and from loopback addresses, with a bound on every wait.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::time::Duration;
use ureq::Agent;

/// Longer than any function may run.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

fn agent(within: Duration) -> Agent {
    Agent::config_builder().timeout_global(Some(within)).http_status_as_error(false).build().into()
}

pub(crate) fn get(url: &str) -> Result<Value> {
    get_within(url, LONGEST_WAIT)
}

pub(crate) fn get_within(url: &str, within: Duration) -> Result<Value> {
    let answer = agent(within).get(url).call().with_context(|| format!("GET {url}"))?;
    read(url, answer)
}

pub(crate) fn post_within(url: &str, body: &Value, within: Duration) -> Result<Value> {
    let answer = agent(within).post(url).send_json(body).with_context(|| format!("POST {url}"))?;
    read(url, answer)
}

fn read(url: &str, mut answer: ureq::http::Response<ureq::Body>) -> Result<Value> {
    let status = answer.status();
    let text = answer.body_mut().read_to_string().with_context(|| format!("the answer of {url}"))?;
    if !status.is_success() {
        bail!("{url} answered {status}: {}", text.trim());
    }
    serde_json::from_str(&text).with_context(|| format!("{url} answered what is not JSON: {text}"))
}
