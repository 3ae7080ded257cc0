//! The Lambda function `api`.

use std::sync::Arc;

use anyhow::Context;
use api::{Door, Settings, response_of};
use lambda_http::lambda_runtime::{Error, LambdaEvent, run_concurrent, service_fn};
use ledger::Timestamp;
use ledger_log::{Cluster, KafkaCommandLog};
use ledger_store::MongoStore;
use serde_json::value::RawValue;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// One thread: two gained nothing when measured, and this one leaves the other core to the rest.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log_as_json();
    let door = open_door().await.inspect_err(|fault| tracing::error!("api cannot start: {fault:#}"))?;
    // The event as it is: one that is no request is answered, too.
    run_concurrent(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let door = door.clone();
        // Boxed: each layer of the runtime moves it, and it is large.
        Box::pin(async move { Ok::<_, Error>(response_of(door.answer_event(event.payload).await)) })
    }))
    .await
}

fn log_as_json() {
    let levels = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_env_filter(levels).init();
}

/// Neither the log nor the store has to be there: both are first spoken to when a request needs them.
async fn open_door() -> anyhow::Result<Door<Arc<KafkaCommandLog>, MongoStore>> {
    let settings = variables::read_environment(Settings::read)?;
    let log = Cluster::find(&settings.log).await.context("the brokers cannot be found")?.command_log()?;
    let door = Door::new(Arc::new(log), MongoStore::connect(settings.store).await?, now);
    Ok(door.taking_at_once(settings.requests_at_once).bearing(settings.oldest_borne))
}

#[expect(clippy::disallowed_methods, reason = "the outermost shell: everything inside takes the time as an argument")]
fn now() -> Timestamp {
    Timestamp::from_epoch_ms(jiff::Timestamp::now().as_millisecond())
}
