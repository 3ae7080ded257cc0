//! The clock of the outermost shells. Cores take the time as an argument.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch, now.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "deadlines and log lines carry the time of day; only shells call this")]
pub fn epoch_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// When a monotonic moment falls, in milliseconds since the epoch.
#[must_use]
pub fn epoch_ms_at(moment: Instant) -> u64 {
    let ahead = moment.saturating_duration_since(Instant::now());
    epoch_ms().saturating_add(u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX))
}
