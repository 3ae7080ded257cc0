//! `cargo lambda watch`: the same functions, compiled again at every edit.
//!
//! It knows no template, so the variables template.yaml gives to the functions are given here.

use super::{Part, Probe, Stop, args, lambda_local::Parameters, loopback};
use crate::workspace::Workspace;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const NAME: &str = "cargo-lambda";

pub(crate) fn part(workspace: &Workspace, program: PathBuf, port: u16, parameters: &Parameters) -> Part {
    let port_text = port.to_string();
    // Release, so that the dependencies `up` has compiled serve here too.
    let words = ["lambda", "watch", "--release", "-A", "127.0.0.1", "-P", &port_text];
    let functions = [
        ("KAFKA_BOOTSTRAP_SERVERS", parameters.brokers.as_str()),
        ("MONGODB_URI", parameters.mongo.as_str()),
        ("MONGODB_DATABASE", "passbook"),
        ("RUST_LOG", "info"),
    ];
    Part {
        name: NAME,
        program,
        args: args(words),
        env: functions.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        dir: Some(workspace.root().to_owned()),
        address: format!("http://127.0.0.1:{port}"),
        ready: Probe::Port(loopback(port)),
        ready_within: Duration::from_secs(120),
        stop: Stop::terminate(10),
        forgets: false,
    }
}
