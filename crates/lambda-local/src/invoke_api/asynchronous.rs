//! Asynchronous invocations (`Event`): accepted at once, tried again as the function's configuration says, then given up.
//!
//! Bounds: [`PLACES`] of each function's events are in memory at a time, each until it succeeded, failed as often as it may,
//! or is too old; more are throttled. What still waits when the program stops is lost, and counted in the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::function::Function;
use crate::http_server::Held;
use crate::invocation::{Invocation, Refused};
use crate::pool::RequestId;

/// Events of one function waiting or running at a time.
pub(crate) const PLACES: usize = 1_000;

/// Asynchronous invocations under way.
#[derive(Debug)]
pub(crate) struct AsyncQueue {
    /// Free places, by the function's name.
    places: BTreeMap<String, Arc<Semaphore>>,
    pace: Pace,
}

/// How long one waits for its next try.
#[derive(Clone, Copy, Debug)]
struct Pace {
    failed: Duration,
    throttled: Duration,
}

impl AsyncQueue {
    pub(crate) fn new(functions: &[Arc<Function>], fast_retry: bool) -> Self {
        let place = |function: &Arc<Function>| (function.name().to_owned(), Arc::new(Semaphore::new(PLACES)));
        Self { places: functions.iter().map(place).collect(), pace: Pace::new(fast_retry) }
    }

    /// Takes an invocation in, unless too many of its function are under way. Its payload is held until it is done with.
    pub(crate) fn accept(
        &self,
        function: &Arc<Function>,
        id: RequestId,
        invocation: Invocation,
        held: Held,
    ) -> Result<(), Refused> {
        let free = self.places.get(function.name()).cloned().ok_or(Refused::Throttled)?;
        let place = free.try_acquire_owned().map_err(|_| Refused::Throttled)?;
        let (function, pace) = (Arc::clone(function), self.pace);
        tokio::spawn(async move {
            let _held = held;
            until_done(function, id, invocation, pace, place).await;
        });
        Ok(())
    }

    /// Says how many are under way: of a program that stops, those it loses.
    pub(crate) fn tell_lost(&self) {
        for (function, free) in &self.places {
            let events = PLACES - free.available_permits();
            if events > 0 {
                tracing::warn!(function, events, "asynchronous invocations that waited for a try are lost");
            }
        }
    }
}

impl Pace {
    /// As AWS does it, or a good deal faster.
    fn new(fast_retry: bool) -> Self {
        match fast_retry {
            false => Self { failed: Duration::from_secs(60), throttled: Duration::from_secs(1) },
            true => Self { failed: Duration::from_millis(100), throttled: Duration::from_millis(2) },
        }
    }

    /// A minute after the first failure, two after the second.
    fn after_failure(self, failures: u32) -> Duration {
        self.failed * failures
    }

    /// A second after the first throttle in a row, doubling up to five minutes.
    fn after_throttle(self, throttles: u32) -> Duration {
        self.throttled * (1_u32 << (throttles.clamp(1, 10) - 1)).min(300)
    }
}

/// A function's errors are tried again as often as its configuration says; throttles until the event is too old, unless
/// the function is reserved to nothing and would throttle it for ever.
async fn until_done(
    function: Arc<Function>,
    id: RequestId,
    invocation: Invocation,
    pace: Pace,
    place: OwnedSemaphorePermit,
) {
    let spec = &function.spec().asynchronous;
    let accepted = Instant::now();
    let (mut failures, mut throttles) = (0, 0);
    while accepted.elapsed() < spec.max_age {
        let wait = match function.invoke(id, invocation.clone()).await {
            Ok(answer) if answer.error.is_none() => return,
            Ok(_) if failures == spec.retries => break,
            Ok(_) => {
                (failures, throttles) = (failures + 1, 0);
                pace.after_failure(failures)
            }
            // It keeps its place, to be counted with what is lost.
            Err(Refused::Stopping) => return place.forget(),
            Err(Refused::Throttled) if function.takes_nothing() => break,
            Err(Refused::Throttled) => {
                throttles += 1;
                pace.after_throttle(throttles)
            }
        };
        tokio::time::sleep(wait).await;
    }
    tracing::warn!(function = function.name(), failures, "an asynchronous invocation is given up");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_as_on_aws_and_are_milliseconds_when_asked_for() {
        let seconds = |pace: fn(Pace, u32) -> Duration, times: u32| pace(Pace::new(false), times).as_secs();
        assert_eq!([1, 2].map(|times| seconds(Pace::after_failure, times)), [60, 120]);
        assert_eq!([1, 2, 3, 9, 10, 99].map(|times| seconds(Pace::after_throttle, times)), [1, 2, 4, 256, 300, 300]);
        assert!(Pace::new(true).after_throttle(99) < Duration::from_secs(1));
    }
}
