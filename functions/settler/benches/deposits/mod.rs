//! Batches of deposits, as the log would bring them, settled one after the other: to one account, or to accounts of
//! 10,000 picked at random, the same in every run.

use std::time::Duration;

use anyhow::ensure;
use ledger::{AccountId, Action, Amount, Command, Money, Partition, Position, Timestamp};
use ledger_store::{Content, LogRecord, MongoStore, PartitionBatch, Settling};

pub(crate) const MANY: usize = 10_000;
const TOPIC: &str = "passbook.commands";
/// In 2100: MongoDB's sweeper goes by the real clock.
const SETTLED_AT: Timestamp = Timestamp::from_epoch_ms(4_102_444_800_000);
const TOO_LONG: Duration = Duration::from_secs(120);

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// 1 or [`MANY`]. One account at a time can be settled by one partition only; so two partitions have one each.
    pub(crate) accounts: usize,
    pub(crate) batch: usize,
    pub(crate) partitions: Partition,
    pub(crate) batches: usize,
}

/// A first deposit into every account, so that what is measured finds them.
pub(crate) async fn open_accounts(store: &MongoStore, logs: &mut [Log]) -> anyhow::Result<()> {
    let log = &mut logs[0];
    for first in (0..MANY).step_by(5_000) {
        let records = (first..first + 5_000).map(|at| log.record(account(at), 1_000_000)).collect();
        apply(store, log.batch(records)).await?;
    }
    for log in logs {
        let records = vec![log.record(hot_account(log.partition), 1_000_000)];
        apply(store, log.batch(records)).await?;
    }
    Ok(())
}

pub(crate) async fn settle_in_order(store: &MongoStore, batches: Vec<PartitionBatch>) -> anyhow::Result<()> {
    for batch in batches {
        apply(store, batch).await?;
    }
    Ok(())
}

async fn apply(store: &MongoStore, batch: PartitionBatch) -> anyhow::Result<()> {
    let records = batch.records.len();
    let outcomes = store.apply(batch, SETTLED_AT, tokio::time::Instant::now() + TOO_LONG).await.whole()?;
    ensure!(outcomes.len() == records, "{} outcomes of {records} records", outcomes.len());
    Ok(())
}

/// The log of one partition.
pub(crate) struct Log {
    partition: Partition,
    next: u64,
    random: u64,
}

impl Log {
    pub(crate) fn new(partition: Partition) -> Self {
        Self { partition, next: 0, random: 0x9e37_79b9_7f4a_7c15 ^ u64::from(partition) }
    }

    pub(crate) fn batches(&mut self, case: Case) -> Vec<PartitionBatch> {
        let batch = |_| {
            let records = (0..case.batch).map(|_| self.pick(case)).collect();
            self.batch(records)
        };
        (0..case.batches).map(batch).collect()
    }

    fn pick(&mut self, case: Case) -> LogRecord {
        if case.accounts == 1 {
            return self.record(hot_account(self.partition), 1);
        }
        // A partition's accounts are its own, as the key of the log sees to.
        let per_partition = case.accounts as u64 / u64::from(case.partitions);
        let at = self.next_random() % per_partition * u64::from(case.partitions) + u64::from(self.partition);
        self.record(account(at as usize), 1)
    }

    pub(crate) fn record(&mut self, account: AccountId, amount: i64) -> LogRecord {
        let position = Position::new(1, self.partition, self.next).expect("a benchmark's offset fits");
        self.next += 1;
        let amount = Amount::new(amount).expect("a benchmark's amount is positive");
        let currency = "EUR".parse().expect("the euro is a currency");
        let recorded_at = Timestamp::from_epoch_ms(1_750_000_000_000 + self.next as i64);
        let command = Command {
            position,
            recorded_at,
            account,
            action: Action::Deposit(Money { amount, currency }),
            reference: None,
            idempotency: None,
        };
        let content = Content::Command(command);
        LogRecord { offset: position.offset(), recorded_at, stamped_by_broker: true, key: None, value: None, content }
    }

    pub(crate) fn batch(&self, records: Vec<LogRecord>) -> PartitionBatch {
        PartitionBatch { topic: TOPIC.to_owned(), partition: self.partition, records, voids: Vec::new() }
    }

    /// xorshift64: no more random than it has to be.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

pub(crate) fn account(at: usize) -> AccountId {
    format!("customer-{at:05}").parse().expect("a benchmark's account id is one")
}

pub(crate) fn hot_account(partition: Partition) -> AccountId {
    format!("hot-{partition}").parse().expect("a benchmark's account id is one")
}
