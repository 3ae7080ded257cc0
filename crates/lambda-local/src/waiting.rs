//! Says what an orderly end is waiting for, so that nobody takes patience for hanging.

use std::time::Duration;

/// Between two lines.
const EVERY: Duration = Duration::from_secs(5);

/// Waits for the end of something, and says at once and now and then what is still running.
pub(crate) async fn tell(end: impl Future, patience: Duration, running: impl Fn() -> Vec<String>) {
    let mut end = std::pin::pin!(end);
    loop {
        let running = running();
        if !running.is_empty() {
            tracing::info!("waiting for {} ({} s at most)", running.join(", "), patience.as_secs());
        }
        if tokio::time::timeout(EVERY, &mut end).await.is_ok() {
            return;
        }
    }
}
