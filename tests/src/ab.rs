//! ApacheBench, as the README runs it.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::root;

#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub complete: u64,
    pub failed: u64,
    /// ab leaves the line out when there was none.
    pub non_2xx: u64,
    pub requests_per_second: f64,
}

/// `ab -n … -c … -p post-data.json -T application/json URL/transaction`.
pub fn run(url: &str, requests: u32, concurrency: u32) -> Result<Report> {
    run_as(url, requests, concurrency, None)
}

/// The same, with one request id for all of them, by which they can be found in NGINX's log.
pub fn run_as(url: &str, requests: u32, concurrency: u32, request_id: Option<&str>) -> Result<Report> {
    let mut ab = Command::new("sh");
    // A thousand connections need more files than a shell's usual limit allows.
    ab.args(["-c", "ulimit -n 4096; exec ab \"$@\"", "ab", "-q", "-s", "30"]);
    ab.args(["-n", &requests.to_string(), "-c", &concurrency.to_string()]);
    ab.args(["-p", "post-data.json", "-T", "application/json"]);
    ab.args(request_id.iter().flat_map(|id| ["-H".to_owned(), format!("X-Request-Id: {id}")]));
    ab.arg(format!("{url}/transaction"));
    let output = ab.current_dir(root()).output().context("cannot run ab (Debian: apache2-utils)")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "ab: {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(Report {
        complete: whole(&text, "Complete requests:")?,
        failed: whole(&text, "Failed requests:")?,
        non_2xx: whole(&text, "Non-2xx responses:").unwrap_or(0),
        requests_per_second: word(&text, "Requests per second:")?.parse()?,
    })
}

fn whole(text: &str, label: &str) -> Result<u64> {
    Ok(word(text, label)?.parse()?)
}

fn word<'a>(text: &'a str, label: &str) -> Result<&'a str> {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    line.and_then(|rest| rest.split_whitespace().next()).with_context(|| format!("ab did not say {label}\n{text}"))
}
