//! Places for those who wait for an outcome, and what the door has to be told of the environment it runs in.
//!
//! A waiting request takes up one of the requests that an environment takes at once, and needs nothing else of it. So waits
//! have places of their own, a quarter of those: however many wait for what never comes, three quarters are there for
//! whoever has something to do. Who finds no place is not queued, for a queue would hold a request just the same: the
//! answer is what is known now.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of so many requests at once, one may wait.
const SHARE: usize = 4;

/// Cheap to clone; clones share their places.
#[derive(Debug, Clone)]
pub(crate) struct Waits(Arc<Semaphore>);

/// Held for as long as somebody waits.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Waits {
    /// Of an environment that takes so many requests at once; one of them may always wait.
    pub(crate) fn among(requests_at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new((requests_at_once / SHARE).clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// A place, where there is one.
    pub(crate) fn take(&self) -> Option<Place> {
        Some(Place { _permit: Arc::clone(&self.0).try_acquire_owned().ok()? })
    }
}

/// How many requests an environment takes at once, by `AWS_LAMBDA_MAX_CONCURRENCY`; one where Lambda does not say.
///
/// # Errors
/// When it is not a number from 1 on.
pub fn requests_at_once(told: Option<&str>) -> Result<usize, String> {
    match told.map(str::trim).filter(|text| !text.is_empty()) {
        None => Ok(1),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| format!("AWS_LAMBDA_MAX_CONCURRENCY: {text:?} is not a number from 1 on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_may_wait_and_one_always() {
        for (requests, places) in [(64, 16), (4, 1), (3, 1), (1, 1)] {
            let waits = Waits::among(requests);
            let taken: Vec<_> = std::iter::from_fn(|| waits.take()).take(100).collect();
            assert_eq!(taken.len(), places, "{requests}");
            drop(taken);
            assert!(waits.take().is_some(), "a place is given back");
        }
    }

    #[test]
    fn what_lambda_does_not_say_is_one() {
        for (told, number) in
            [(None, Some(1)), (Some(""), Some(1)), (Some("64"), Some(64)), (Some("0"), None), (Some("x"), None)]
        {
            assert_eq!(requests_at_once(told).ok(), number, "{told:?}");
        }
    }
}
