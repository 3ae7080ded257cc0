//! How long to wait before a part that has ended is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);
/// A part that ran this long was well; its next end is a first one again.
const WELL_AFTER: Duration = Duration::from_secs(30);

/// Doubles from 0.2 s to 10 s while a part keeps ending.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    ends_in_a_row: u32,
}

impl Backoff {
    /// The pause after a run that lasted `ran`.
    pub(crate) fn after(&mut self, ran: Duration) -> Duration {
        if ran >= WELL_AFTER {
            self.ends_in_a_row = 0;
        }
        let pause = FIRST.saturating_mul(2u32.saturating_pow(self.ends_in_a_row)).min(LONGEST);
        self.ends_in_a_row = self.ends_in_a_row.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(runs_in_seconds: &[u64]) -> Vec<u128> {
        let mut backoff = Backoff::default();
        runs_in_seconds.iter().map(|ran| backoff.after(Duration::from_secs(*ran)).as_millis()).collect()
    }

    #[test]
    fn it_doubles_up_to_ten_seconds() {
        assert_eq!(pauses(&[0; 8]), [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn a_long_run_forgives() {
        assert_eq!(pauses(&[0, 0, 29, 30, 0]), [200, 400, 800, 200, 400]);
    }

    #[test]
    fn it_never_overflows() {
        let mut backoff = Backoff { ends_in_a_row: u32::MAX };
        assert_eq!(backoff.after(Duration::ZERO), LONGEST);
    }
}
