//! Places for those who wait for an outcome.
//!
//! A waiting request takes up one of the requests that an environment takes at once, and needs nothing else of it. So waits
//! have places of their own, three quarters of those. Who finds none waits [`BRIEFLY`], long enough for an outcome where all
//! goes well; for that there is another eighth. So however many wait for what never comes, an eighth is there for whoever has
//! something to do. Who finds no place at all is not queued, for a queue would hold a request just the same: the answer is
//! what is known now.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long one waits who finds no place for longer.
const BRIEFLY: Duration = Duration::from_millis(50);

/// Cheap to clone; clones share their places.
#[derive(Debug, Clone)]
pub(crate) struct Waits {
    whole: Arc<Semaphore>,
    brief: Arc<Semaphore>,
}

/// Held for as long as somebody waits.
#[derive(Debug)]
pub(crate) enum Wait {
    Whole { _place: OwnedSemaphorePermit },
    Brief { _place: OwnedSemaphorePermit },
    None,
}

impl Waits {
    /// Of an environment that takes so many requests at once; one of them may always wait.
    pub(crate) fn among(requests_at_once: usize) -> Self {
        let places = |number: usize| Arc::new(Semaphore::new(number.min(Semaphore::MAX_PERMITS)));
        Self { whole: places((requests_at_once - requests_at_once / 4).max(1)), brief: places(requests_at_once / 8) }
    }

    pub(crate) fn begin(&self) -> Wait {
        let place = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
        let whole = place(&self.whole).map(|_place| Wait::Whole { _place });
        whole.or_else(|| Some(Wait::Brief { _place: place(&self.brief)? })).unwrap_or(Wait::None)
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
            Self::Brief { .. } => timeout(BRIEFLY, waiting).await.ok(),
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
    fn three_quarters_may_wait_and_one_always_and_an_eighth_briefly() {
        for (requests, whole, brief) in [(64, 48, 8), (8, 6, 1), (4, 3, 0), (3, 3, 0), (1, 1, 0), (0, 1, 0)] {
            let waits = Waits::among(requests);
            let begun: Vec<_> = (0..100).map(|_| waits.begin()).collect();
            assert_eq!(begun.iter().filter(|wait| wait.is_whole()).count(), whole, "{requests}");
            assert_eq!(begun.iter().filter(|wait| matches!(wait, Wait::Brief { .. })).count(), brief, "{requests}");
            drop(begun);
            assert!(waits.begin().is_whole(), "a place is given back");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_waits_briefly_or_not_at_all() {
        let waits = Waits::among(8);
        let whole: Vec<_> = (0..6).map(|_| waits.begin()).collect();
        let (brief, none) = (waits.begin(), waits.begin());
        let began = Instant::now();
        assert_eq!(none.of(pending::<()>()).await, None);
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(brief.of(pending::<()>()).await, None);
        assert_eq!(began.elapsed(), BRIEFLY);
        assert_eq!(brief.of(async { 7 }).await, Some(7), "what is there is taken");
        tokio::select! {
            _ = whole[0].of(pending::<()>()) => panic!("that was never to end"),
            () = tokio::time::sleep(BRIEFLY * 100) => {}
        }
    }
}
