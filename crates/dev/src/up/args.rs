//! What `up` and `watch` can be told.

use crate::part::lambda_local::FURTHER_BACK_ENDS;
use clap::Args;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

const BACK_ENDS_AT_MOST: i64 = 1 + FURTHER_BACK_ENDS.len() as i64;

#[derive(Debug, Clone, Args)]
pub(crate) struct UpArgs {
    /// Return as soon as it is ready; `cargo dev down` stops it
    #[arg(long)]
    pub(crate) detach: bool,

    /// The log: `kafka` (Apache Kafka, durable), `embedded` (one small program without Java; forgets when it ends), or
    /// the HOST:PORT of brokers of your own
    #[arg(long, default_value = "kafka", value_name = "kafka|embedded|HOST:PORT")]
    pub(crate) broker: Broker,

    /// A MongoDB replica set of your own instead of a mongod started here
    #[arg(long, value_name = "URL", value_parser = mongo_url)]
    pub(crate) mongo: Option<String>,

    /// Where NGINX listens on localhost; 0 picks a free port [default: that of last time, or 8080]
    #[arg(long)]
    pub(crate) port: Option<u16>,

    /// Also answer HTTPS at this port of localhost, with a certificate made here once; 0 picks a free port [default: 8443]
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "8443")]
    pub(crate) tls: Option<u16>,

    /// Back ends that NGINX shares the requests among: lambda-local, and beside it so many that run `api` alone (`watch`
    /// has one, whatever is said)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=BACK_ENDS_AT_MOST))]
    pub(crate) api_backends: u16,

    /// Set a value of nginx/settings.env, for example CLIENT_LIMITS=on; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub(crate) nginx: Vec<String>,

    /// Directory of the stack: data, logs, settings [default: .local/stack]
    #[arg(long, value_name = "DIR", env = "PASSBOOK_DATA")]
    pub(crate) data: Option<PathBuf>,

    /// Throw away the data of last time first
    #[arg(long)]
    pub(crate) fresh: bool,

    /// Partitions of the log, when its topics are made
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) partitions: u16,

    /// As plain Lambda does: an execution environment takes one request at a time, and there are many of them (`watch`
    /// has one, whatever is said)
    #[arg(long)]
    pub(crate) one_request_per_environment: bool,

    /// Set an environment variable of the functions, over what template.yaml says; may be repeated
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = assignment)]
    pub(crate) env: Vec<String>,

    /// Take the functions and tools as they lie in target/release
    #[arg(long, env = "PASSBOOK_NO_BUILD", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) no_build: bool,

    /// Set for the supervisor that --detach starts
    #[arg(long, hide = true)]
    pub(crate) supervised: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broker {
    Kafka,
    Embedded,
    At(String),
}

impl FromStr for Broker {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "kafka" => Ok(Self::Kafka),
            "embedded" => Ok(Self::Embedded),
            _ if text.split(',').all(is_host_and_port) => Ok(Self::At(text.to_owned())),
            _ => Err("expected `kafka`, `embedded` or HOST:PORT (several separated by commas)".to_owned()),
        }
    }
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn mongo_url(text: &str) -> Result<String, String> {
    let known = text.starts_with("mongodb://") || text.starts_with("mongodb+srv://");
    if known { Ok(text.to_owned()) } else { Err("expected mongodb://… or mongodb+srv://…".to_owned()) }
}

fn assignment(text: &str) -> Result<String, String> {
    let named = text.split_once('=').is_some_and(|(name, _)| !name.is_empty());
    if named { Ok(text.to_owned()) } else { Err("expected NAME=VALUE".to_owned()) }
}

/// The words this process was given, for a supervisor in a session of its own.
pub(crate) fn words_of_this_process() -> Vec<OsString> {
    env::args_os().skip(1).filter(|word| word != "--detach").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_named_or_addressed() {
        for (text, broker) in [
            ("kafka", Some(Broker::Kafka)),
            ("embedded", Some(Broker::Embedded)),
            ("k1:9092,k2:9092", Some(Broker::At("k1:9092,k2:9092".into()))),
            ("k1", None),
            (":9092", None),
            ("k1:0", None),
            ("k1:x", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<Broker>().ok(), broker, "{text}");
        }
    }
}
