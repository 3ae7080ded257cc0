//! Commits, and asks again while nobody knows whether it did and there is time.

use backon::BackoffBuilder;
use mongodb::ClientSession;
use mongodb::error::{Error, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use tokio::time::{Instant, sleep};

use crate::apply::backoff;
use crate::error::StoreError;

/// To commit again what was committed changes nothing, so the question may be repeated.
pub(super) async fn commit(session: &mut ClientSession, until: Instant) -> Result<(), StoreError> {
    let mut delays = backoff().build();
    loop {
        let Err(error) = session.commit_transaction().await else { return Ok(()) };
        match delays.next() {
            Some(delay) if is_unknown(&error) && Instant::now() + delay < until => sleep(delay).await,
            _ => return Err(error.into()),
        }
    }
}

fn is_unknown(error: &Error) -> bool {
    error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
}
