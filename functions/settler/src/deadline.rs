use std::time::Duration;

use tokio::time::Instant;

/// To publish: what one outcome may take ([`PUBLISH_TIMEOUT`](crate::PUBLISH_TIMEOUT)), and enough more to learn why it failed.
const TO_PUBLISH: Duration = Duration::from_secs(10);
/// To answer, and to be frozen with nothing under way.
const TO_ANSWER: Duration = Duration::from_millis(500);

/// By when the parts of an invocation have to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    pub apply: Instant,
    pub publish: Instant,
}

impl Deadlines {
    /// Of the time that Lambda leaves, most is for applying; publishing gets [`TO_PUBLISH`], or a quarter of a short time.
    pub fn within(remaining: Duration, now: Instant) -> Self {
        let to_answer = TO_ANSWER.min(remaining / 8);
        let to_publish = TO_PUBLISH.min(remaining / 4);
        let publish = now + (remaining - to_answer);
        Self { apply: publish - to_publish, publish }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_left_for_publishing_and_answering() {
        let now = Instant::now();
        for (remaining_ms, apply_ms, publish_ms) in
            [(60_000, 49_500, 59_500), (8_000, 5_500, 7_500), (800, 500, 700), (0, 0, 0)]
        {
            let deadlines = Deadlines::within(Duration::from_millis(remaining_ms), now);
            assert_eq!(deadlines.apply - now, Duration::from_millis(apply_ms), "{remaining_ms}");
            assert_eq!(deadlines.publish - now, Duration::from_millis(publish_ms), "{remaining_ms}");
        }
    }
}
