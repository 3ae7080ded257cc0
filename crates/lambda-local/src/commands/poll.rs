//! `lambda-local poll`

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use lambda_local::event_source::{EventSource, Invoker};
use lambda_local::polling::{Polling, serve};
use lambda_local::template::{Inputs, Needed, Template};

use super::{KafkaArgs, TemplateArgs, interrupted, listen, patience, tell_not_supported};

/// What an endpoint may take longer than the function's own time-out: it may have to build or queue first.
const GRACE: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    template: TemplateArgs,
    #[command(flatten)]
    kafka: KafkaArgs,
    /// The endpoint to invoke at: another lambda-local, `cargo lambda watch`, … For the Runtime Interface Emulator, whose
    /// functions are all named `function`, give the whole path up to `/invocations`.
    #[arg(long, value_name = "http://HOST:PORT")]
    invoke: String,
    /// Serve /health and /status here.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<i32> {
    let inputs = Inputs { needed: Needed::EventSources, ..args.template.inputs()? };
    let template = args.template.read(&inputs)?;
    tell_not_supported(&template);
    let event_sources = event_sources(&template, &args)?;
    ensure!(!event_sources.is_empty(), "the template has no Kafka event source that is enabled");
    let patience = patience(&template);
    let polling = Polling::new(event_sources, template.not_supported);
    if let Some(address) = args.listen {
        let listener = listen(address)?;
        tracing::info!("listening on http://{}", listener.local_addr()?);
        tokio::spawn(serve(polling.clone(), listener));
    }
    interrupted().await?;
    polling.stop(patience).await;
    Ok(0)
}

fn event_sources(template: &Template, args: &Args) -> anyhow::Result<Vec<EventSource>> {
    let options = args.kafka.options();
    let mut sources = vec![];
    for function in &template.functions {
        for source in function.kafka.iter().filter(|source| source.enabled) {
            let invoker = Invoker::endpoint(&args.invoke, &function.name, function.timeout + GRACE)?;
            tracing::info!("{} is fed from topic {} as group {}", function.name, source.topic, source.group);
            sources.push((function.name.as_str(), source, invoker));
        }
    }
    Ok(EventSource::start_all(sources, &options)?)
}
