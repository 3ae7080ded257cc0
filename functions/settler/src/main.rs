//! The Lambda function `settler`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lambda_runtime::{Error, LambdaEvent, run_concurrent, service_fn};
use ledger::Timestamp;
use ledger_log::{Cluster, KafkaCommandReader, KafkaOutcomeLog, LogConfig};
use ledger_store::{MongoStore, StoreConfig};
use settler::{Deadlines, KafkaEvent, PUBLISH_TIMEOUT, Settler};
use tokio::time::Instant;
use variables::Variables;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type KafkaSettler = Settler<MongoStore, KafkaOutcomeLog, KafkaCommandReader>;

// One thread: two gained nothing when measured, and this one leaves the other core to the rest.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log_as_json();
    match open_settler().await {
        Err(fault) => stop(&format!("settler cannot start: {fault:#}")),
        Ok(settler) => match serve(settler).await {
            Err(fault) => stop(&format!("settler cannot go on: {fault}")),
            Ok(()) => ExitCode::SUCCESS,
        },
    }
}

fn stop(reason: &str) -> ExitCode {
    tracing::error!("{reason}");
    ExitCode::FAILURE
}

async fn serve(settler: Arc<KafkaSettler>) -> Result<(), Error> {
    run_concurrent(service_fn(move |event: LambdaEvent<KafkaEvent>| {
        let settler = settler.clone();
        async move {
            let (now, began) = (now(), Instant::now());
            let deadlines = Deadlines::within(remaining(event.context.deadline, now), began);
            let (response, report) = settler.settle(event.payload, now, deadlines).await;
            // Where CloudWatch looks for metrics: a line of its own, not one of the log.
            println!("{}", report.line(&event.context.env_config.function_name, now, began.elapsed()));
            Ok::<_, Error>(response)
        }
    }))
    .await
}

/// What a deadline in milliseconds since 1970 leaves. One that is over when the event comes is none: `cargo lambda watch`
/// tells every invocation a moment of 1970.
fn remaining(deadline_ms: u64, now: Timestamp) -> Duration {
    const UNTOLD: Duration = Duration::from_secs(30);
    let told = deadline_ms.saturating_sub(now.epoch_ms().unsigned_abs());
    if told == 0 { UNTOLD } else { Duration::from_millis(told) }
}

fn log_as_json() {
    let levels = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_env_filter(levels).init();
}

/// Neither the log nor the store has to be there: both are first spoken to when an event needs them.
async fn open_settler() -> anyhow::Result<Arc<KafkaSettler>> {
    let (log, store) = variables::read_environment(read_config)?;
    let cluster = Cluster::find(&log).await.context("the brokers cannot be found")?;
    let (store, outcomes) = (MongoStore::connect(store).await?, cluster.outcome_log(PUBLISH_TIMEOUT)?);
    Ok(Arc::new(Settler::new(store, outcomes, cluster.command_reader())))
}

fn read_config(variables: &mut Variables<'_>) -> Option<(LogConfig, StoreConfig)> {
    let (log, store) = (LogConfig::read(variables), StoreConfig::read(variables));
    Some((log?, store?))
}

#[expect(clippy::disallowed_methods, reason = "the outermost shell: everything inside takes the time as an argument")]
fn now() -> Timestamp {
    Timestamp::from_epoch_ms(jiff::Timestamp::now().as_millisecond())
}
