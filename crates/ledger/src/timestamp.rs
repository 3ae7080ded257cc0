use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z, as Kafka stamps its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    epoch_ms: i64,
}

impl Timestamp {
    pub const fn from_epoch_ms(epoch_ms: i64) -> Self {
        Self { epoch_ms }
    }

    pub const fn epoch_ms(self) -> i64 {
        self.epoch_ms
    }

    /// The moment so much later, in whole milliseconds; the end of time where that is past it.
    pub fn plus(self, time: Duration) -> Self {
        let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Self { epoch_ms: self.epoch_ms.saturating_add(ms) }
    }

    /// The moment `seconds` later; the end of time where that is past it.
    pub const fn plus_seconds(self, seconds: u32) -> Self {
        Self { epoch_ms: self.epoch_ms.saturating_add(seconds as i64 * 1_000) }
    }
}
