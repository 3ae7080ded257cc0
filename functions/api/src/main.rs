//! The Lambda function `api`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::{Door, check_append_timeout, requests_at_once};
use lambda_http::{Error, Request, run_concurrent, service_fn};
use ledger::Timestamp;
use ledger_log::{Cluster, LogConfig};
use ledger_store::{MongoStore, StoreConfig};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// One thread: two gained nothing when measured, and this one leaves the other core to the rest.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log_as_json();
    let door = open_door().await.inspect_err(|fault| tracing::error!("api cannot start: {fault:#}"))?;
    run_concurrent(service_fn(move |request: Request| {
        let door = door.clone();
        async move { Ok::<_, Error>(door.answer(request).await) }
    }))
    .await
}

fn log_as_json() {
    let levels = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_env_filter(levels).init();
}

/// Neither the log nor the store has to be there: both are first spoken to when a request needs them.
async fn open_door() -> anyhow::Result<Door<MongoStore>> {
    let (log, store) = read_config()?;
    check_append_timeout(log.append_timeout()).map_err(anyhow::Error::msg)?;
    let log = Cluster::find(&log).await.context("the brokers cannot be found")?.command_log()?;
    let at_once = requests_at_once(std::env::var("AWS_LAMBDA_MAX_CONCURRENCY").ok().as_deref());
    let at_once = at_once.map_err(anyhow::Error::msg)?;
    let door = Door::new(Arc::new(log), MongoStore::connect(store).await?, now);
    Ok(door.taking_at_once(at_once).bearing(oldest_borne()?))
}

fn read_config() -> anyhow::Result<(LogConfig, StoreConfig)> {
    match (LogConfig::from_env(), StoreConfig::from_lookup(|name| std::env::var(name).ok())) {
        (Ok(log), Ok(store)) => Ok((log, store)),
        (Err(log), Err(store)) => anyhow::bail!("{log}\n{store}"),
        (Err(log), Ok(_)) => Err(log.into()),
        (Ok(_), Err(store)) => Err(store.into()),
    }
}

/// How long the oldest unsettled command may wait before `/ready` says so.
fn oldest_borne() -> anyhow::Result<Duration> {
    const VARIABLE: &str = "READY_OLDEST_UNSETTLED_SECONDS";
    let seconds = std::env::var(VARIABLE).unwrap_or_else(|_| "60".to_owned());
    let seconds = seconds.parse().ok().filter(|seconds| (1..=86_400).contains(seconds));
    Ok(Duration::from_secs(
        seconds.with_context(|| format!("{VARIABLE} is a whole number of seconds, from 1 to 86400"))?,
    ))
}

#[expect(clippy::disallowed_methods, reason = "the outermost shell: everything inside takes the time as an argument")]
fn now() -> Timestamp {
    Timestamp::from_epoch_ms(jiff::Timestamp::now().as_millisecond())
}
