//! A client of the HTTP door: it knows the contract and nothing of what is behind.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Request};

/// Longer than the function's time-out (10 s) and NGINX's (15 s), so that what ends a request is seen.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a settled answer is asked for; the most that the door grants.
const WAIT_SECONDS: u64 = 8;

#[derive(Debug, Clone)]
pub struct Client {
    agent: ureq::Agent,
    url: String,
}

/// An answer of any status.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub took: Duration,
}

impl Client {
    pub fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        Self { agent: config.into(), url: url.trim_end_matches('/').to_owned() }
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
        let begun = Instant::now();
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match method {
            "POST" | "PUT" | "PATCH" => self.agent.run(request.body(body)?),
            _ => self.agent.run(request.body(())?),
        };
        let mut answer = answer.with_context(|| format!("{method} {path}"))?;
        let body = answer.body_mut().read_to_vec().with_context(|| format!("{method} {path}"))?;
        Ok(Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body, took: begun.elapsed() })
    }

    /// Sends bytes as they are, which must ask for the connection to be closed.
    pub fn raw(&self, sent: &str) -> Result<Answer> {
        let begun = Instant::now();
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).with_context(|| address.to_owned())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(sent.as_bytes())?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            // Whoever is refused in the middle of a body may be reset after the answer.
            Err(error) if error.kind() != ErrorKind::ConnectionReset => return Err(error).context(sent.to_owned()),
            _ => {}
        }
        Answer::parse(&answer, begun.elapsed()).with_context(|| String::from_utf8_lossy(&answer).into_owned())
    }

    pub fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, &[], b"")
    }

    /// POSTs a body as it is, as JSON.
    pub fn post_bytes(&self, body: &[u8], headers: &[(&str, &str)]) -> Result<Answer> {
        let headers: Vec<_> =
            [("Content-Type", "application/json")].into_iter().chain(headers.iter().copied()).collect();
        self.send("POST", "/transaction", &headers, body)
    }

    pub fn post(&self, command: &Value) -> Result<Answer> {
        self.post_bytes(command.to_string().as_bytes(), &[])
    }

    /// POSTs a command that is to be accepted, and gives its id.
    pub fn accept(&self, command: &Value) -> Result<String> {
        let accepted = self.post(command)?.json(202)?;
        Ok(accepted["id"].as_str().context("an accepted command has an id")?.to_owned())
    }

    /// POSTs a command and waits for its outcome in the same answer.
    pub fn settle(&self, command: &Value) -> Result<Value> {
        self.settle_with(command, &[])?.json(200)
    }

    pub fn settle_with(&self, command: &Value, headers: &[(&str, &str)]) -> Result<Answer> {
        let prefer = format!("wait={WAIT_SECONDS}");
        let headers: Vec<_> = [("Prefer", prefer.as_str())].into_iter().chain(headers.iter().copied()).collect();
        self.post_bytes(command.to_string().as_bytes(), &headers)
    }

    /// The outcome of a transaction, waiting for it.
    pub fn outcome(&self, id: &str) -> Result<Value> {
        self.get(&format!("/transactions/{id}?wait={WAIT_SECONDS}"))?.json(200)
    }

    pub fn account(&self, id: &str) -> Result<Value> {
        self.get(&format!("/accounts/{id}"))?.json(200)
    }

    /// An account's balance; 0 when there is no such account.
    pub fn balance(&self, id: &str) -> Result<i64> {
        let answer = self.get(&format!("/accounts/{id}"))?;
        if answer.status == 404 {
            return Ok(0);
        }
        answer.json(200)?["balance"].as_i64().context("an account has a balance")
    }

    /// The whole book of an account, newest entry first, page by page.
    pub fn book(&self, id: &str) -> Result<Vec<Value>> {
        let mut entries = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/accounts/{id}/transactions?limit=500{cursor}"))?.json(200)?;
            entries.extend(page["transactions"].as_array().context("a statement has transactions")?.iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(entries),
            }
        }
    }
}

impl Answer {
    /// One that a closed connection ended, not in chunks.
    fn parse(bytes: &[u8], took: Duration) -> Result<Self> {
        const END: &[u8] = b"\r\n\r\n";
        let head = bytes.windows(END.len()).position(|four| four == END).context("an answer's head does not end")?;
        let mut lines = std::str::from_utf8(&bytes[..head])?.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("an answer has a status")?.parse()?;
        let pair = |line: &str| {
            let (name, value) = line.split_once(':').with_context(|| line.to_owned())?;
            Ok((name.parse::<HeaderName>()?, value.trim().parse::<HeaderValue>()?))
        };
        let headers = lines.map(pair).collect::<Result<_>>()?;
        Ok(Self { status, headers, body: bytes[head + END.len()..].to_vec(), took })
    }

    /// The JSON of an answer with this status.
    pub fn json(&self, status: u16) -> Result<Value> {
        ensure!(self.status == status, "{status} was to be answered: {self}");
        serde_json::from_slice(&self.body).with_context(|| self.to_string())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The problem (RFC 9457) of an answer with this status.
    pub fn problem(&self, status: u16) -> Result<Value> {
        let problem = self.json(status)?;
        let media_type = self.header("Content-Type").unwrap_or_default();
        ensure!(media_type.starts_with("application/problem+json"), "Content-Type is {media_type:?}: {self}");
        let is_whole = problem["type"].is_string() && problem["title"].is_string() && problem["detail"].is_string();
        ensure!(is_whole && problem["status"] == status, "not a whole problem: {self}");
        Ok(problem)
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.took.as_millis();
        write!(f, "{} after {seconds} ms: {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

pub fn deposit(account: &str, amount: i64) -> Value {
    json!({"type": "deposit", "account": account, "amount": amount, "currency": "EUR"})
}

pub fn withdrawal(account: &str, amount: i64) -> Value {
    json!({"type": "withdrawal", "account": account, "amount": amount, "currency": "EUR"})
}

pub fn withdrawal_request(account: &str, amount: i64) -> Value {
    json!({"type": "withdrawal_request", "account": account, "amount": amount, "currency": "EUR"})
}
