//! How long the parts of a request may take, so that all of them end before the function's time-out of 10 s.
//!
//! A time-out is not this request's alone: it ends the execution environment, with every other request in it. So nothing
//! here waits for a server that says nothing: neither the brokers nor MongoDB.
//!
//! | a request | at most |
//! |---|---|
//! | a read | 4 s |
//! | asking whether the servers answer | 3 s |
//! | a command | 2 s for the generation of the log, once per environment, and `APPEND_TIMEOUT_MS` (5 s, at most 7 s) |
//! | waiting for an outcome | until 8 s after the request came, and 1 s for reading it |

use std::future::Future;
use std::time::Duration;

use ledger_log::PLACEMENT_WITHIN;
use ledger_store::StoreError;
use ledger_wire::problem::{Problem, ProblemKind};
use tokio::time::{Instant, timeout, timeout_at};

/// `Timeout` of `api` in template.yaml; an environment is not told it.
const FUNCTION: Duration = Duration::from_secs(10);
/// For what is no waiting: reading the request, writing the answer, a busy machine.
const REST: Duration = Duration::from_secs(1);
/// For an answer of MongoDB.
pub(crate) const READ: Duration = Duration::from_secs(4);
/// For reading an outcome, once it is there or the wait has ended.
const READ_AFTER_WAIT: Duration = Duration::from_secs(1);

/// The longest append. One that outlasted the function would take down with it whatever else its environment does.
pub(crate) const LONGEST_APPEND: Duration =
    Duration::from_secs(FUNCTION.as_secs() - PLACEMENT_WITHIN.as_secs() - REST.as_secs());

/// Whether a server answers at all, and in time.
pub(crate) async fn answers_within<T, E>(limit: Duration, asked: impl Future<Output = Result<T, E>>) -> bool {
    timeout(limit, asked).await.is_ok_and(|answer| answer.is_ok())
}

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

    #[tokio::test]
    async fn a_server_that_says_nothing_does_not_answer() {
        let limit = Duration::from_millis(1);
        assert!(!answers_within(limit, std::future::pending::<Result<(), ()>>()).await);
        assert!(!answers_within(limit, async { Err::<(), ()>(()) }).await);
        assert!(answers_within(limit, async { Ok::<(), ()>(()) }).await);
    }

    #[test]
    fn every_request_ends_before_the_function_does() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");
        let template: yaml_serde::Value = yaml_serde::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        // On plain Lambda and on Managed Instances.
        for function in ["Api", "ApiOnManagedInstances"] {
            let timeout = &template["Resources"][function]["Properties"]["Timeout"];
            assert_eq!(timeout.as_u64(), Some(FUNCTION.as_secs()), "{function}");
        }
        let variables = &template["Globals"]["Function"]["Environment"]["Variables"];
        let append = variables["APPEND_TIMEOUT_MS"].as_str().unwrap().parse().unwrap();
        assert!(Duration::from_millis(append) <= LONGEST_APPEND);
        assert!(READ + REST < FUNCTION);
        assert!(Duration::from_secs(LONGEST_WAIT_SECONDS) + READ_AFTER_WAIT < FUNCTION);
    }
}
