//! How long the parts of a request may take, so that all of them end before the function's time-out of 10 s.
//!
//! A time-out is not this request's alone: it ends the execution environment, with every other request in it. So nothing
//! here waits for a server that says nothing: neither the brokers nor MongoDB.
//!
//! | a request | at most |
//! |---|---|
//! | a read | 4 s |
//! | a command | 2 s for the generation of the log, once per environment, and `APPEND_TIMEOUT_MS` (5 s) for the append |
//! | waiting for an outcome | until 8 s after the request came, and 1 s for reading it |

use std::future::Future;
use std::time::Duration;

use ledger::Generation;
use ledger_log::{AppendError, CommandLog};
use ledger_store::StoreError;
use ledger_wire::problem::{Problem, ProblemKind};
use tokio::time::{Instant, timeout, timeout_at};

/// For an answer of MongoDB.
pub(crate) const READ: Duration = Duration::from_secs(4);
/// For reading an outcome, once it is there or the wait has ended.
const READ_AFTER_WAIT: Duration = Duration::from_secs(1);
const GENERATION: Duration = Duration::from_secs(2);

/// A read of the store, or the problem to answer with.
pub(crate) async fn read<T>(reading: impl Future<Output = Result<T, StoreError>>) -> Result<T, Problem> {
    in_time(timeout(READ, reading).await.ok())
}

/// A read of the store that waits until `until` for something to happen.
pub(crate) async fn wait<T>(
    until: Instant,
    waiting: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, Problem> {
    in_time(timeout_at(until + READ_AFTER_WAIT, waiting).await.ok())
}

/// The generation of the log. Nothing is left behind by giving up on it, unlike on an append.
pub(crate) async fn generation(log: &dyn CommandLog) -> Result<Generation, AppendError> {
    let too_late = || {
        let trouble = log.trouble().map(|trouble| format!(": {trouble}")).unwrap_or_default();
        AppendError::Unavailable { reason: format!("its generation could not be read in time{trouble}") }
    };
    timeout(GENERATION, log.generation()).await.unwrap_or_else(|_| Err(too_late()))
}

/// A store that is away is for the client to wait for; anything else is for us to look at.
fn in_time<T>(read: Option<Result<T, StoreError>>) -> Result<T, Problem> {
    let away = "the accounts cannot be read at the moment; commands are still accepted";
    match read {
        Some(Ok(found)) => Ok(found),
        Some(Err(error)) if error.retry_helps() => {
            tracing::warn!(%error, "accounts could not be read");
            Err(ProblemKind::StoreUnavailable.detail(away))
        }
        Some(Err(error)) => {
            tracing::error!(%error, "accounts could not be read");
            Err(ProblemKind::Internal.detail("the accounts could not be read; the log of this function says why"))
        }
        None => {
            tracing::warn!("MongoDB did not answer in time");
            Err(ProblemKind::StoreUnavailable.detail(away))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preferences::LONGEST_WAIT_SECONDS;

    #[test]
    fn a_store_that_says_nothing_is_a_503() {
        assert_eq!(in_time::<()>(None).unwrap_err().status, 503);
    }

    #[test]
    fn every_request_ends_before_the_function_does() {
        let function_timeout = Duration::from_secs(10);
        assert!(READ < function_timeout);
        assert!(Duration::from_secs(LONGEST_WAIT_SECONDS) + READ_AFTER_WAIT < function_timeout);
    }
}
