//! The commands of the command line, and what they share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args as ClapArgs;
use lambda_local::event_source::KafkaOptions;
use lambda_local::template::{self, Inputs, Template};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};

pub(crate) mod gateway;
pub(crate) mod invoke;
pub(crate) mod poll;
pub(crate) mod record;
pub(crate) mod start;

/// This program's own log: warnings and news on standard error, more with RUST_LOG.
pub(crate) fn log_to_stderr() {
    use std::io::IsTerminal as _;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// Which template, with which values.
#[derive(Debug, ClapArgs)]
pub(crate) struct TemplateArgs {
    /// The SAM template.
    #[arg(long, default_value = "template.yaml", value_name = "FILE")]
    template: PathBuf,
    /// A value for a parameter of the template. May be given several times.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
    /// The same with the value in a file, for a secret: everybody on the machine can read arguments. A newline at its end
    /// does not count.
    #[arg(long = "parameter-file", value_name = "NAME=FILE", value_parser = pair)]
    parameter_files: Vec<(String, String)>,
    /// AWS::Region of the template, and AWS_REGION of the functions that are run.
    #[arg(long, env = "AWS_REGION", default_value = "eu-west-1")]
    pub(crate) region: String,
}

/// How Kafka event sources are polled.
#[derive(Debug, ClapArgs)]
pub(crate) struct KafkaArgs {
    #[command(flatten)]
    brokers: BrokerArgs,
    /// Retry failed batches and asynchronous invocations after milliseconds instead of seconds: for tests.
    #[arg(long)]
    pub(crate) fast_retry: bool,
}

/// How the brokers of Kafka event sources are reached.
#[derive(Debug, ClapArgs)]
pub(crate) struct BrokerArgs {
    /// A librdkafka setting for the pollers (security.protocol, sasl.username, …). May be given several times.
    #[arg(long = "kafka-config", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) kafka_config: Vec<(String, String)>,
    /// The brokers of MSK event sources, which a template names only by the cluster's ARN.
    #[arg(long, value_name = "HOST:PORT,…")]
    pub(crate) msk_bootstrap_servers: Option<String>,
}

impl KafkaArgs {
    pub(crate) fn options(&self) -> KafkaOptions {
        KafkaOptions { fast_retry: self.fast_retry, ..self.brokers.options() }
    }
}

impl BrokerArgs {
    pub(crate) fn options(&self) -> KafkaOptions {
        KafkaOptions {
            config: self.kafka_config.clone(),
            msk_bootstrap_servers: self.msk_bootstrap_servers.clone(),
            fast_retry: false,
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Says what AWS would act on and lambda-local does not.
pub(crate) fn tell_not_supported(template: &Template) {
    for line in &template.not_supported {
        tracing::info!("not supported: {line}");
    }
}

impl TemplateArgs {
    /// What the template is read with, and nothing beside the values given here.
    pub(crate) fn inputs(&self) -> anyhow::Result<Inputs> {
        Ok(Inputs { parameters: self.values()?, region: self.region.clone(), ..Inputs::default() })
    }

    /// Reads the template.
    pub(crate) fn read(&self, inputs: &Inputs) -> anyhow::Result<Template> {
        let file = self.template.display();
        let text = std::fs::read_to_string(&self.template)
            .with_context(|| format!("cannot read the template {file}; name it with --template FILE"))?;
        template::read(&text, inputs).map_err(|problems| anyhow!("{file}: {problems}"))
    }

    /// The folder it is in.
    pub(crate) fn folder(&self) -> PathBuf {
        self.template.parent().map(PathBuf::from).unwrap_or_default()
    }

    /// The values of the parameters, those in files included; of two for one parameter the file's counts.
    fn values(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut values: BTreeMap<_, _> = self.parameters.iter().cloned().collect();
        for (name, file) in &self.parameter_files {
            let text = std::fs::read_to_string(file).with_context(|| format!("--parameter-file {name}={file}"))?;
            values.insert(name.clone(), text.trim_end_matches(['\r', '\n']).to_owned());
        }
        Ok(values)
    }
}

/// Connections that may wait to be taken; the kernel's own limit may be lower. A burst of a thousand clients overflows the
/// 128 that are usual, and each connection past them costs its client a second or three.
const BACKLOG: u32 = 4_096;

/// Listens, or says why not and what to do.
pub(crate) fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    bind(address).with_context(|| format!("cannot listen on {address}; choose another address with --listen"))
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Returns at the first SIGINT or SIGTERM. A second one ends the program at once.
pub(crate) async fn interrupted() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for signals")?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping: what is in flight may finish; a second signal ends it at once");
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        eprintln!("lambda-local: asked twice, ending at once");
        end(130);
    });
    Ok(())
}

/// Ends the program here and now, without the exit handlers of the libraries it is made of: OpenSSL's takes away what
/// threads of librdkafka still use when a client could not be closed in time, or was not asked to.
#[expect(unsafe_code, reason = "the standard library has no end without exit handlers but the violent ones")]
pub(crate) fn end(code: i32) -> ! {
    let _ = std::io::Write::flush(&mut std::io::stdout());
    // SAFETY: _exit never comes back and touches none of this program's memory.
    unsafe { nix::libc::_exit(code) }
}

/// What stopping may take beyond the longest time-out: the answer's way, the last commit, leaving the group.
const MARGIN: Duration = Duration::from_secs(5);

/// How long what is in flight may take when the program is asked to stop: as long as any function of the template may.
pub(crate) fn patience(template: &Template) -> Duration {
    template.functions.iter().map(|function| function.timeout).max().unwrap_or_default() + MARGIN
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(flatten)]
        template: TemplateArgs,
    }

    #[test]
    fn a_value_may_stand_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("uri");
        std::fs::write(&file, "mongodb://u:p=w@h\n").unwrap();
        let secret = format!("MongoUri={}", file.display());
        let words = ["start", "--parameter", "A=1", "--parameter", "MongoUri=x", "--parameter-file", &secret];
        let values = Words::parse_from(words).template.values().unwrap();
        assert_eq!(values["MongoUri"], "mongodb://u:p=w@h");
        assert_eq!(values["A"], "1");
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_the_parameter() {
        let words = ["start", "--parameter-file", "MongoUri=/no/such/file"];
        let error = Words::parse_from(words).template.values().unwrap_err();
        assert_eq!(error.to_string(), "--parameter-file MongoUri=/no/such/file");
    }
}
