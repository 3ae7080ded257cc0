//! `lambda-local start`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use lambda_local::local::{Local, Options};
use lambda_local::template::{Inputs, Needed};

use super::{KafkaArgs, TemplateArgs, interrupted, listen, pair, patience, tell_not_supported};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    template: TemplateArgs,
    /// An environment variable for every function, over the template's own. May be given several times.
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = pair)]
    variables: Vec<(String, String)>,
    #[command(flatten)]
    kafka: KafkaArgs,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9000", value_name = "HOST:PORT")]
    listen: SocketAddr,
    /// The folder with the functions' programs, each named as its function, its binary or its package, or a folder of such
    /// a name with a `bootstrap`. What is not there is looked for where `CodeUri` points.
    #[arg(long, default_value = "target/release", value_name = "FOLDER")]
    binaries: PathBuf,
    /// Write each function's log to <FOLDER>/<function>.log instead of standard output.
    #[arg(long, value_name = "FOLDER")]
    log_dir: Option<PathBuf>,
    /// Requests that may wait while a function is at its limit. AWS has no such room: 0 answers 429 at once as it does.
    #[arg(long, default_value_t = 10_000)]
    max_waiting: usize,
    /// How long a request may wait before it gets 429.
    #[arg(long, default_value_t = 30_000)]
    max_wait_ms: u64,
    /// Megabytes of requests' bodies that are held at a time, waiting or being run; more get 429 at once.
    #[arg(long, default_value_t = 256)]
    max_body_mb: usize,
    /// Most environments of a function that takes requests one by one and has no ReservedConcurrentExecutions.
    #[arg(long, default_value_t = 16)]
    max_environments: usize,
    /// How long an environment may be idle before it ends; a function's last one is kept.
    #[arg(long, default_value_t = 600)]
    idle_s: u64,
    /// Leave the event sources alone, for a `lambda-local poll` beside this one.
    #[arg(long, conflicts_with_all = ["kafka_config", "msk_bootstrap_servers"])]
    no_event_sources: bool,
    /// Run this function of the template alone, with its URL and event sources. May be given several times.
    #[arg(long = "function", value_name = "NAME")]
    functions: Vec<String>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<i32> {
    let listener = listen(args.listen)?;
    let address = listener.local_addr()?;
    let inputs = Inputs {
        variables: args.variables.into_iter().collect(),
        base_url: Some(format!("http://{address}")),
        functions: args.functions,
        needed: if args.no_event_sources { Needed::Functions } else { Needed::Everything },
        ..args.template.inputs()?
    };
    let template = args.template.read(&inputs)?;
    tell_not_supported(&template);
    if let Some(folder) = &args.log_dir {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let options = Options {
        template,
        binaries: args.binaries,
        template_folder: args.template.folder(),
        log_dir: args.log_dir,
        region: args.template.region,
        max_environments: args.max_environments,
        max_waiting: args.max_waiting,
        max_wait: Duration::from_millis(args.max_wait_ms),
        max_body_bytes: args.max_body_mb.saturating_mul(1024 * 1024),
        idle: Duration::from_secs(args.idle_s),
        kafka: (!args.no_event_sources).then(|| args.kafka.options()),
        fast_retry: args.kafka.fast_retry,
    };
    let local = Local::start(&options, listener)?;
    announce(address, &options);
    interrupted().await?;
    local.stop(patience(&options.template)).await;
    Ok(0)
}

fn announce(address: SocketAddr, options: &Options) {
    for function in &options.template.functions {
        let name = &function.name;
        tracing::info!("http://{address}/2015-03-31/functions/{name}/invocations");
        if function.url.is_some() {
            tracing::info!("http://{address}/lambda-url/{name}/");
        }
        for source in function.kafka.iter().filter(|source| source.enabled && options.kafka.is_some()) {
            tracing::info!("{name} is fed from topic {} as group {}", source.topic, source.group);
        }
    }
    tracing::info!("listening on http://{address}");
}
