//! Commits, and asks again for as long as nobody knows whether it did.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use mongodb::ClientSession;
use mongodb::error::UNKNOWN_TRANSACTION_COMMIT_RESULT;

use crate::error::StoreError;

/// Tries again soon, then less often; whoever calls sets the end.
pub(super) fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(2))
        .with_max_delay(Duration::from_millis(250))
        .with_max_times(10_000)
        .with_jitter()
}

/// To commit again what was committed changes nothing, so the question may be repeated.
pub(super) async fn commit(session: &mut ClientSession) -> Result<(), StoreError> {
    let mut delays = backoff().build();
    loop {
        let Err(error) = session.commit_transaction().await else { return Ok(()) };
        match delays.next() {
            Some(delay) if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) => tokio::time::sleep(delay).await,
            _ => return Err(error.into()),
        }
    }
}
