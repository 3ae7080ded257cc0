//! Whether commands are many: a pure core with the time as an argument.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// With so many under way, the next one is one of many.
const MANY: usize = 16;
/// How long commands count as many, once they were: a request confirms all that are in it at once, so that among many there
/// are moments with few under way.
const REMEMBERED: Duration = Duration::from_millis(20);

/// The commands that wait for their confirmation.
#[derive(Debug)]
pub(super) struct Crowd {
    under_way: AtomicUsize,
    began: Instant,
    /// Microseconds from the beginning on.
    many_until: AtomicU64,
}

/// Counts a command for as long as somebody waits for it.
#[derive(Debug)]
pub(super) struct UnderWay<'a>(&'a AtomicUsize);

impl Crowd {
    pub(super) fn new(now: Instant) -> Self {
        let (under_way, many_until) = Default::default();
        Self { under_way, began: now, many_until }
    }

    /// Another command.
    pub(super) fn join(&self, now: Instant) -> UnderWay<'_> {
        let others = self.under_way.fetch_add(1, Ordering::Relaxed);
        if others >= MANY {
            self.many_until.fetch_max(self.micros(now + REMEMBERED), Ordering::Relaxed);
        }
        UnderWay(&self.under_way)
    }

    /// Whether commands are many.
    pub(super) fn is_there(&self, now: Instant) -> bool {
        self.micros(now) < self.many_until.load(Ordering::Relaxed)
    }

    fn micros(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_many_when_many_others_are_under_way_and_for_a_while_after() {
        let now = Instant::now();
        let crowd = Crowd::new(now);
        let mut under_way: Vec<_> = (0..MANY).map(|_| crowd.join(now)).collect();
        assert!(!crowd.is_there(now));
        under_way.push(crowd.join(now));
        assert!(crowd.is_there(now));
        drop(under_way);
        assert!(crowd.is_there(now + REMEMBERED / 2), "they have just been");
        assert!(!crowd.is_there(now + REMEMBERED));
        assert_eq!(crowd.under_way.load(Ordering::Relaxed), 0, "each is counted out");
    }
}
