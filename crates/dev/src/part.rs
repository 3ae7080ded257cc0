//! A program of the stack: how it is started, when it is ready, how it is stopped. One recipe a module.
//!
//! Every part leads a process group of its own, so that a Ctrl-C in the terminal reaches only the supervisor, and so that
//! whatever a killed part leaves behind (NGINX's workers hold its port) can be ended with it.

pub(crate) mod cargo_lambda;
pub(crate) mod gateway;
pub(crate) mod kafka;
pub(crate) mod lambda_local;
pub(crate) mod mongod;
pub(crate) mod nginx;
pub(crate) mod tansu;

use nix::sys::signal::Signal;
use serde_json::Value;
use std::ffi::OsString;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) dir: Option<PathBuf>,
    /// As a person or a program would name it to reach the part.
    pub(crate) address: String,
    pub(crate) ready: Probe,
    pub(crate) ready_within: Duration,
    pub(crate) stop: Stop,
    /// What it held is gone when it ends; who depended on it must hear of it.
    pub(crate) forgets: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop {
    pub(crate) signal: Signal,
    /// How long an orderly end may take before it is killed.
    pub(crate) grace: Duration,
}

impl Stop {
    pub(crate) const fn terminate(grace_seconds: u64) -> Self {
        Self { signal: Signal::SIGTERM, grace: Duration::from_secs(grace_seconds) }
    }

    /// How a part of this name is stopped, for one left behind by another supervisor.
    pub(crate) fn of(part: &str) -> Self {
        match part {
            nginx::NAME => nginx::STOP,
            name if lambda_local::is_one(name) => lambda_local::STOP,
            _ => Self::terminate(20),
        }
    }
}

/// How to ask a part whether it can be used.
#[derive(Debug, Clone)]
pub(crate) enum Probe {
    /// Something accepts connections there.
    Port(SocketAddr),
    /// A GET answers 2xx, with `"ready": true` when it speaks of readiness.
    Http(String),
    /// Started is ready.
    Started,
}

/// Nothing else is decided while a probe waits.
const PROBE_WAITS: Duration = Duration::from_secs(1);

impl Probe {
    pub(crate) fn answers(&self) -> bool {
        match self {
            Self::Port(address) => TcpStream::connect_timeout(address, PROBE_WAITS).is_ok(),
            Self::Http(url) => crate::http::get_within(url, PROBE_WAITS)
                .is_ok_and(|body| body.get("ready") != Some(&Value::Bool(false))),
            Self::Started => true,
        }
    }
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Arguments of mixed kinds, in order.
fn args<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<OsString> {
    words.into_iter().map(OsString::from).collect()
}

fn with_path(mut args: Vec<OsString>, option: &str, path: &Path) -> Vec<OsString> {
    args.extend([OsString::from(option), path.as_os_str().to_owned()]);
    args
}
