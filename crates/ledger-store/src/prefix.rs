//! How much of a batch goes into one transaction.
//!
//! A batch that goes into no common transaction is applied in prefixes, each its own transaction with its own move of the fence. A prefix is cut by an estimate of
//! what it writes: MongoDB keeps what a transaction has not committed in its cache, and refuses a transaction that outgrows
//! a share of it. Where the estimate is wrong, or two settlers are in each other's way, or the time runs out, the next prefix
//! is half as large, down to one record: so no batch is too large to commit, and a partition always gets on.

use std::collections::HashSet;

use ledger::{AccountId, Reference};

use crate::batch::{Content, LogRecord};

/// What the writes of one transaction may come to, by estimate. At a cache of 0.5 GB MongoDB has been seen to take twenty
/// times as much; larger ones gain nothing.
const MOST_BYTES: usize = 4 << 20;
/// What an account takes of it beside its entries, until it has been seen how large accounts are.
pub(crate) const SMALL_ACCOUNT: usize = 512;
/// A deposit without its reference, as it is stored. A hold or a refusal takes up to 230, which the bound has room for.
pub(crate) const ENTRY: usize = 160;
/// An idempotency key, as it is stored and indexed.
const KEY: usize = 320;
/// A dead letter without its bytes.
const DEAD_LETTER: usize = 512;
/// The most that is read of accounts for one transaction, in bytes; past it the prefix is cut anew.
pub(crate) const MOST_READ: usize = 4 * MOST_BYTES;

/// The size of a partition's next prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PrefixSize {
    most_bytes: usize,
    /// The mean size of the accounts that were last read.
    account_bytes: usize,
    /// Halved as often as it went wrong with fewer records than bytes would bound; nothing while all goes well.
    most_records: Option<usize>,
}

impl Default for PrefixSize {
    fn default() -> Self {
        Self { most_bytes: MOST_BYTES, account_bytes: SMALL_ACCOUNT, most_records: None }
    }
}

impl PrefixSize {
    /// How many of the records, from the first on, make the next prefix: at least one.
    pub(crate) fn cut(&self, records: &[LogRecord]) -> usize {
        let mut accounts: HashSet<&AccountId> = HashSet::new();
        let mut bytes = 0;
        let mut length = 0;
        for record in records.iter().take(self.most_records.unwrap_or(usize::MAX)) {
            bytes += self.estimate(record, &mut accounts);
            if bytes > self.most_bytes && length > 0 {
                break;
            }
            length += 1;
        }
        length
    }

    /// What all of the records come to, by estimate; nothing where prefixes are being kept short.
    pub(crate) fn bytes_of_all(&self, records: &[LogRecord]) -> Option<usize> {
        let mut accounts = HashSet::new();
        let all = || records.iter().map(|record| self.estimate(record, &mut accounts)).sum();
        self.most_records.is_none().then(all)
    }

    fn estimate<'r>(&self, record: &'r LogRecord, accounts: &mut HashSet<&'r AccountId>) -> usize {
        match &record.content {
            Content::Command(command) => {
                let reference = command.reference.as_ref().map_or(0, |text: &Reference| text.as_str().len());
                let key = command.idempotency.as_ref().map_or(0, |_| KEY);
                let account = if accounts.insert(&command.account) { self.account_bytes } else { 0 };
                // An entry is written when it comes and once more when its page turns.
                2 * (ENTRY + reference) + key + account
            }
            Content::Unreadable { why, .. } => {
                let bytes = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
                DEAD_LETTER + why.len() + bytes(&record.key) + bytes(&record.value)
            }
        }
    }

    /// A prefix of so many records went wrong in a way that a smaller one may not.
    pub(crate) fn halve(&mut self, records: usize) {
        self.most_records = Some((records / 2).max(1));
    }

    /// A prefix of so many records was committed.
    pub(crate) fn grow(&mut self, records: usize) {
        self.most_records =
            self.most_records.map(|most| most.max(records).saturating_mul(2)).filter(|most| *most < 10_000);
    }

    /// So many accounts were so large.
    pub(crate) fn learn(&mut self, accounts: usize, bytes: usize) {
        if let Some(mean) = bytes.checked_div(accounts) {
            self.account_bytes = mean.max(SMALL_ACCOUNT);
        }
    }
}

#[cfg(test)]
mod tests {
    use ledger::{Action, Amount, Command, Money, Position, Timestamp};

    use super::*;

    fn record(offset: u64, account: &str, reference: usize) -> LogRecord {
        let money = Money { amount: Amount::new(1).unwrap(), currency: "EUR".parse().unwrap() };
        let recorded_at = Timestamp::from_epoch_ms(0);
        let command = Command {
            position: Position::new(1, 0, offset).unwrap(),
            recorded_at,
            account: account.parse().unwrap(),
            action: Action::Deposit(money),
            reference: (reference > 0).then(|| "x".repeat(reference).parse().unwrap()),
            idempotency: None,
        };
        let content = Content::Command(command);
        LogRecord { offset, recorded_at, stamped_by_broker: true, key: None, value: None, content }
    }

    fn records(count: u64, accounts: u64, reference: usize) -> Vec<LogRecord> {
        (0..count).map(|at| record(at, &format!("account-{}", at % accounts), reference)).collect()
    }

    #[test]
    fn an_ordinary_batch_is_one_prefix() {
        assert_eq!(PrefixSize::default().cut(&records(5_000, 1, 0)), 5_000);
        assert_eq!(PrefixSize::default().cut(&records(3_000, 3_000, 10)), 3_000);
        assert_eq!(PrefixSize::default().cut(&records(1, 1, 0)), 1);
        assert_eq!(PrefixSize::default().cut(&[]), 0);
    }

    #[test]
    fn what_writes_more_is_cut_shorter() {
        let plain = PrefixSize::default().cut(&records(10_000, 1, 0));
        assert!(PrefixSize::default().cut(&records(10_000, 1, 256)) < plain);
        assert!(PrefixSize::default().cut(&records(10_000, 10_000, 0)) < plain);
        let mut large = PrefixSize::default();
        large.learn(10, 10 * 80_000);
        assert_eq!(large.cut(&records(10_000, 10_000, 0)), 52);
        large.learn(10, 10 << 30);
        assert_eq!(large.cut(&records(10_000, 10_000, 0)), 1, "never nothing");
    }

    #[test]
    fn what_goes_wrong_is_halved_down_to_one_and_grows_again() {
        let all = records(3_000, 1, 0);
        let mut size = PrefixSize::default();
        let mut tried = vec![size.cut(&all)];
        while *tried.last().unwrap() > 1 {
            size.halve(*tried.last().unwrap());
            tried.push(size.cut(&all));
        }
        assert_eq!(tried, [3_000, 1_500, 750, 375, 187, 93, 46, 23, 11, 5, 2, 1]);
        size.halve(1);
        assert_eq!(size.cut(&all), 1);
        let mut grown = Vec::new();
        while size != PrefixSize::default() {
            grown.push(size.cut(&all));
            size.grow(*grown.last().unwrap());
        }
        assert_eq!(grown, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 3_000, 3_000]);
    }

    #[test]
    fn a_dead_letter_counts_with_its_bytes() {
        let mut all = records(100, 1, 0);
        for record in &mut all {
            record.content = Content::Unreadable { why: "no JSON".to_owned(), account: None };
            record.value = Some(vec![0; 1 << 20]);
        }
        assert_eq!(PrefixSize::default().cut(&all), 3);
    }
}
