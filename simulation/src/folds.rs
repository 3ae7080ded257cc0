//! One log of many commands, settled twice, cut into batches differently and by other clocks: the same books, digest by
//! digest.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use ledger::{Account, AccountId, ContraAccount, Timestamp};
use ledger_store::{MemoryStore, Reading};
use settler::{Deadlines, Settler};
use tokio::time::Instant;

use crate::Wrong;
use crate::log::{Log, PARTITIONS, PLACEMENT};
use crate::outcomes::Outcomes;
use crate::reader::Commands;
use crate::world::{BEGINNING, INVOCATION, Plant, event, terms};

/// What the books come to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Books {
    /// With the digest of its last entry, which stands for all before it.
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    pub(crate) contra: Vec<ContraAccount>,
    /// How many outcomes were published.
    pub(crate) outcomes: usize,
}

/// A log of so many records: commands of every kind, some with a key, some of a key that was used before, some bytes that
/// nobody can read, some in the wrong partition, and a clock that stands still, leaps and runs backwards.
pub(crate) fn mixed_log(rng: &mut Rng, records: usize) -> Log {
    let mut log = Log::default();
    let mut now = Timestamp::from_epoch_ms(BEGINNING);
    for _ in 0..records {
        match rng.u8(..100) {
            0 => log.write_junk(rng, now),
            1 => log.misplace(rng, now),
            2 => log.skew_ms = [0, -90_000, 120_000][rng.usize(..3)],
            _ => log.accept(rng, now),
        }
        now = now.plus(Duration::from_millis([0, 1, 40, 2_000][rng.usize(..4)]));
    }
    log
}

/// Settles a log in batches of up to so many records, by a clock that is so far ahead of it.
pub(crate) async fn settle(log: &Log, rng: &mut Rng, most: usize, ahead: Duration) -> Result<Books, Wrong> {
    let store = MemoryStore::new(ledger_store::Memory::default(), terms());
    let begun = store.begin_generation(ledger::COMMANDS, PARTITIONS, PLACEMENT.generation, None);
    begun.map_err(|error| error.to_string())?;
    let outcomes = Outcomes::new(rng.fork(), 0, Plant::Nothing);
    let commands = Commands::new(rng.fork(), 0, Plant::Nothing);
    let settler = Settler::new(store.clone(), outcomes.clone(), commands);
    for partition in 0..PARTITIONS {
        let mut from = 0;
        loop {
            let records = log.read(partition, from, rng.usize(1..=most));
            let Some((last, record)) = records.last().map(|(last, record)| (*last, record.time)) else { break };
            let deadlines = Deadlines::within(INVOCATION, Instant::now());
            let (response, _) = settler.settle(event(vec![(partition, records)]), record.plus(ahead), deadlines).await;
            if let Some(failure) = response.batch_item_failures.first() {
                return Err(format!("partition {partition} stands at offset {}", failure.item_identifier.offset));
            }
            from = last + 1;
        }
    }
    let mut accounts = BTreeMap::new();
    for id in log.accepted.iter().map(|id| &id.account) {
        if !accounts.contains_key(id)
            && let Some(view) = store.account(id).await.map_err(|error| error.to_string())?
        {
            accounts.insert(id.clone(), view.account);
        }
    }
    Ok(Books { accounts, contra: store.contra_accounts(), outcomes: outcomes.published().len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDS: usize = 100_000;

    #[test]
    fn a_hundred_thousand_commands_cut_differently_give_the_same_heads() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let mut rng = Rng::with_seed(9);
        let log = mixed_log(&mut rng, RECORDS);
        let records: usize = log.streams.iter().map(|stream| stream.records(0).count()).sum();
        let mut books =
            |most, ahead| runtime.block_on(settle(&log, &mut rng, most, Duration::from_secs(ahead))).unwrap();
        let (small, large) = (books(100, 0), books(2_000, 3_600));
        assert_eq!(small.outcomes, records, "one outcome for every record");
        assert!(small.accounts.values().map(|account| account.sequence).sum::<u64>() > RECORDS as u64 / 2);
        assert_eq!(small, large);
    }
}
