use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ledger::Partition;

/// The last thing said about each partition that cannot go on. Lambda delivers such a batch again and again; the first
/// time is an error that wakes somebody, the others are not.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    said: Mutex<HashMap<Partition, String>>,
}

impl Faults {
    /// Whether this has not been said yet.
    pub(crate) fn is_news(&self, partition: Partition, fault: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.insert(partition, fault.to_owned()).as_deref() != Some(fault)
    }

    /// The partition goes on.
    pub(crate) fn forget(&self, partition: Partition) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_news_once_until_the_partition_goes_on() {
        let faults = Faults::default();
        assert!(faults.is_news(1, "gap"));
        assert!(!faults.is_news(1, "gap"));
        assert!(faults.is_news(2, "gap"));
        faults.forget(1);
        assert!(faults.is_news(1, "gap"));
    }
}
