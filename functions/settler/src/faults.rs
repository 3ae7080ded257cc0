use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ledger::{Partition, Timestamp};

/// What passes by itself has passed by then, or somebody has to look.
const PASSES_WITHIN_MS: i64 = 3 * 60_000;
/// What lasts is said again this often, so that whoever comes late hears of it.
const SAID_AGAIN_MS: i64 = 5 * 60_000;

/// What has been said about each partition that does not get on. Lambda delivers such a batch again and again: what needs a
/// person is an error at first, and again while it lasts; what may pass is one only once it has lasted.
///
/// It knows what this execution environment has seen. The alarm on the metric `PartitionsFailing`, which every delivery
/// says, lasts however often another environment takes over.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    failing: Mutex<HashMap<Partition, Failing>>,
}

#[derive(Debug)]
struct Failing {
    since: Timestamp,
    /// The last error, and when it was said.
    said: Option<(String, Timestamp)>,
}

impl Faults {
    /// Whether this is to be an error that wakes somebody, the partition failing at `now`; if so it counts as said.
    pub(crate) fn wakes(&self, partition: Partition, failure: &str, is_final: bool, now: Timestamp) -> bool {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = failing.entry(partition).or_insert(Failing { since: now, said: None });
        let ms_since = |then: Timestamp| now.epoch_ms().saturating_sub(then.epoch_ms());
        let has_lasted = is_final || ms_since(failing.since) >= PASSES_WITHIN_MS;
        // Words of what may pass differ from time to time; those of what is final are the fault itself.
        let is_news = |said: &(String, Timestamp)| (is_final && said.0 != failure) || ms_since(said.1) >= SAID_AGAIN_MS;
        let wakes = has_lasted && failing.said.as_ref().is_none_or(is_news);
        if wakes {
            failing.said = Some((failure.to_owned(), now));
        }
        wakes
    }

    /// The partition goes on.
    pub(crate) fn forget(&self, partition: Partition) {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_minute(minute: i64) -> Timestamp {
        Timestamp::from_epoch_ms(1_700_000_000_000 + minute * 60_000)
    }

    #[test]
    fn what_is_final_is_an_error_at_first_and_again_while_it_lasts() {
        let faults = Faults::default();
        for (minute, partition, failure, wakes) in [
            (0, 1, "gap", true),
            (0, 1, "gap", false),
            (0, 2, "gap", true),
            (1, 1, "another", true),
            (5, 1, "another", false),
            (6, 1, "another", true),
            (7, 1, "another", false),
        ] {
            assert_eq!(
                faults.wakes(partition, failure, true, at_minute(minute)),
                wakes,
                "{minute} {partition} {failure}"
            );
        }
        faults.forget(1);
        assert!(faults.wakes(1, "another", true, at_minute(7)));
    }

    #[test]
    fn what_does_not_pass_becomes_an_error() {
        let faults = Faults::default();
        for (minute, failure, wakes) in [
            (0, "no broker", false),
            (2, "no broker", false),
            (3, "no broker", true),
            (4, "out of time", false),
            (7, "no broker", false),
            (8, "out of time", true),
            (9, "no broker", false),
        ] {
            assert_eq!(faults.wakes(1, failure, false, at_minute(minute)), wakes, "{minute} {failure}");
        }
        faults.forget(1);
        assert!(!faults.wakes(1, "no broker", false, at_minute(9)), "it went on in between");
    }
}
