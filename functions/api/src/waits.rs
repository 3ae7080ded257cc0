//! Places for those who wait for an outcome.
//!
//! A waiting request takes up one of the requests that an environment takes at once, and needs nothing else of it. So waits
//! have places of their own, three quarters of those: however many wait for what never comes, a quarter is there for whoever
//! has something to do. Who finds no place is not queued, for a queue would hold a request just the same: the answer is what
//! is known now. But who waits for a command that is about to be settled, as others of its partition just were, waits
//! [`BRIEFLY`] without a place: an answer before its outcome would only bring the client back to ask for it. These may take
//! up that last quarter, too, and then whoever comes waits for one of them: [`BRIEFLY`] at most.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long one waits who finds no place.
const BRIEFLY: Duration = Duration::from_millis(50);

/// Cheap to clone; clones share their places.
#[derive(Debug, Clone)]
pub(crate) struct Waits(Arc<Semaphore>);

/// How long somebody may wait.
#[derive(Debug)]
pub(crate) enum Wait {
    /// As long as was asked for; a place is held until then.
    Whole {
        _place: OwnedSemaphorePermit,
    },
    Brief,
    None,
}

impl Waits {
    /// Of an environment that takes so many requests at once; one of them may always wait.
    pub(crate) fn among(requests_at_once: usize) -> Self {
        let places = (requests_at_once - requests_at_once / 4).clamp(1, Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(places)))
    }

    /// `comes_soon` says whether what is waited for is about to come.
    pub(crate) fn begin(&self, comes_soon: impl FnOnce() -> bool) -> Wait {
        match Arc::clone(&self.0).try_acquire_owned() {
            Ok(_place) => Wait::Whole { _place },
            Err(_) if comes_soon() => Wait::Brief,
            Err(_) => Wait::None,
        }
    }
}

impl Wait {
    /// Whether it is as long as was asked for.
    pub(crate) const fn is_whole(&self) -> bool {
        matches!(self, Self::Whole { .. })
    }

    /// What the wait comes to; nothing when it is too short for that. Who gives up has asked the store nothing: all who wait
    /// share one look at it, and a store that is slow is not asked the more for it.
    pub(crate) async fn of<T>(&self, waiting: impl Future<Output = T>) -> Option<T> {
        match self {
            Self::Whole { .. } => Some(waiting.await),
            Self::Brief => timeout(BRIEFLY, waiting).await.ok(),
            Self::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    #[test]
    fn three_quarters_may_wait_and_one_always() {
        for (requests, places) in [(64, 48), (8, 6), (4, 3), (3, 3), (1, 1), (0, 1)] {
            let waits = Waits::among(requests);
            let begun: Vec<_> = (0..100).map(|_| waits.begin(|| false)).collect();
            assert_eq!(begun.iter().filter(|wait| wait.is_whole()).count(), places, "{requests}");
            assert_eq!(begun.iter().filter(|wait| matches!(wait, Wait::None)).count(), 100 - places, "{requests}");
            drop(begun);
            assert!(waits.begin(|| false).is_whole(), "a place is given back");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_waits_briefly_for_what_comes_soon_and_not_at_all_for_the_rest() {
        let waits = Waits::among(1);
        let whole = waits.begin(|| panic!("there is a place"));
        let (brief, none) = (waits.begin(|| true), waits.begin(|| false));
        let began = Instant::now();
        assert_eq!(none.of(pending::<()>()).await, None);
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(brief.of(pending::<()>()).await, None);
        assert_eq!(began.elapsed(), BRIEFLY);
        assert_eq!(brief.of(async { 7 }).await, Some(7), "what is there is taken");
        tokio::select! {
            _ = whole.of(pending::<()>()) => panic!("that was never to end"),
            () = tokio::time::sleep(BRIEFLY * 100) => {}
        }
    }
}
