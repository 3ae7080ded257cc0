//! `lambda-local gateway`

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use lambda_local::gateway::{Gateway, Options};

use super::{interrupted, listen};

/// How long requests under way may take when the gateway is asked to stop; whose they are it does not know.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9080", value_name = "HOST:PORT")]
    listen: SocketAddr,
    /// Where to forward to. A path is put before the request's own.
    #[arg(long, value_name = "http://HOST:PORT[/path]")]
    forward: String,
    /// Requests forwarded at a time.
    #[arg(long, default_value = "64")]
    max_in_flight: NonZeroUsize,
    /// Requests that may wait for their turn; more get 429 at once.
    #[arg(long, default_value_t = 10_000)]
    max_waiting: usize,
    /// Megabytes of requests' bodies that are held at a time; more get 429 at once.
    #[arg(long, default_value_t = 256)]
    max_body_mb: usize,
    /// How long one may wait before it gets 429, or 408 when only its body is missing.
    #[arg(long, default_value_t = 30_000)]
    max_wait_ms: u64,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<i32> {
    let listener = listen(args.listen)?;
    let options = Options {
        forward: args.forward,
        max_in_flight: args.max_in_flight.get(),
        max_waiting: args.max_waiting,
        max_wait: Duration::from_millis(args.max_wait_ms),
        max_body_bytes: args.max_body_mb.saturating_mul(1024 * 1024),
    };
    let address = listener.local_addr()?;
    let gateway = Gateway::start(&options, listener)?;
    tracing::info!("listening on http://{address}, forwarding to {}", options.forward);
    interrupted().await?;
    gateway.stop(PATIENCE).await;
    Ok(0)
}
