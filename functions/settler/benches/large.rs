//! Events as large as they get, into books that are large, at a cache of MongoDB that is small.
//!
//!     cargo bench --workspace --bench large -- --mongo mongodb://127.0.0.1:27017
//!
//! Whole events as Lambda brings them (6 MB of JSON), read, settled by the settler's own logic and answered, one after the
//! other, as the poller of one partition does; an event that fails is delivered again. Printed of each case: commands a
//! second, the longest that one event was under way, how many transactions were tried again, and the most memory that this
//! process ever had, which is the settler's and a few megabytes of making events. Everything happens in a database of its
//! own, which is dropped.

mod own_books;

use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Parser;
use ledger::{Generation, Offset, Timestamp};
use ledger_log::{MemoryLog, OutcomeLog, OutcomeRecord, PublishError};
use ledger_store::MongoStore;
use ledger_wire::{NewCommand, record};
use own_books::{OnMongo, with_own_books};
use serde_json::json;
use settler::{Deadlines, Settler};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const GENERATION: Generation = 1;
const ACCOUNTS: usize = 5_000;
const DEPOSITS: usize = 100_000;
const HOLDS: usize = 300;
/// The longest reference, of the longest characters.
const REFERENCE: &str = "\u{1f4b6}";
/// What Lambda puts into one event: 6 MB (Lambda quotas, invocation payload), and so many records (`BatchSize`).
const LARGEST_EVENT: usize = 6 * 1024 * 1024 - 64 * 1024;
const MOST_RECORDS: usize = 10_000;
const INVOCATION: Duration = Duration::from_secs(60);

/// Settles the largest events there are.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    on: OnMongo,
    /// Holds that each of the 5,000 accounts gets.
    #[arg(long, default_value_t = HOLDS)]
    holds: usize,
}

/// Takes outcomes and forgets them.
#[derive(Debug)]
struct Nowhere;

impl OutcomeLog for Nowhere {
    async fn publish(&self, _: &[OutcomeRecord], _: tokio::time::Instant) -> Result<Vec<usize>, PublishError> {
        Ok(Vec::new())
    }
}

/// What a case came to.
#[derive(Debug, Default)]
struct Measured {
    commands: usize,
    events: usize,
    elapsed: Duration,
    longest: Duration,
    redeliveries: usize,
}

/// The log of one partition, and the settler of it.
struct Partition {
    store: MongoStore,
    settler: Settler<MongoStore, Nowhere, MemoryLog>,
    next: Offset,
}

// One thread, as in `settler` itself.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let checked = with_own_books(&args.on, "large", async |store| measure_all(&args, store.clone()).await).await?;
    println!("The books are right: {} entries in {} accounts.", checked.entries, checked.accounts);
    Ok(())
}

async fn measure_all(args: &Args, store: MongoStore) -> anyhow::Result<()> {
    let mut log = Partition::of(store);
    println!("{:<52} {:>10} {:>12} {:>11} {:>8}", "case", "commands/s", "longest event", "tried again", "memory");
    let reference = REFERENCE.repeat(256);
    let long = |at: usize| body(at, &format!(r#""type":"deposit","amount":1000,"reference":"{reference}""#));
    log.measure("100,000 deposits, references of 256 characters", DEPOSITS, long).await?;
    let hold = |at: usize| body(at, r#""type":"withdrawal_request","amount":1"#);
    let case = format!("a hold on each of 5,000 accounts, {} times", args.holds);
    log.measure(&case, ACCOUNTS * args.holds, hold).await?;
    let deposit = |at: usize| body(at, r#""type":"deposit","amount":1"#);
    log.measure("a deposit to each of them, 4 times", 4 * ACCOUNTS, deposit).await?;
    Ok(())
}

/// A command for one account after the other.
fn body(at: usize, fields: &str) -> String {
    let currency = if fields.contains("release") { "" } else { r#","currency":"EUR""# };
    format!(r#"{{"account":"customer-{:04}",{fields}{currency}}}"#, at % ACCOUNTS)
}

impl Partition {
    fn of(store: MongoStore) -> Self {
        let settler = Settler::new(store.clone(), Nowhere, MemoryLog::new(GENERATION, 1));
        Self { store, settler, next: 0 }
    }

    async fn measure(&mut self, case: &str, commands: usize, body: impl Fn(usize) -> String) -> anyhow::Result<()> {
        let (before, mut measured) = (self.store.spent(), Measured::default());
        while measured.commands < commands {
            let (event, records) = self.event(measured.commands, commands, &body)?;
            let started = Instant::now();
            measured.redeliveries += self.settle(&event, records).await?;
            measured.longest = measured.longest.max(started.elapsed());
            measured.elapsed += started.elapsed();
            measured.commands += records;
            measured.events += 1;
        }
        let spent = self.store.spent().since(&before);
        let rate = measured.commands as u128 * 1_000 / measured.elapsed.as_millis().max(1);
        let again = spent.attempts - spent.batches;
        println!("{case:<52} {rate:>10} {:>10} ms {again:>11} {:>5} MB", measured.longest.as_millis(), most_memory()?);
        if measured.redeliveries > 0 {
            println!("  {} of {} events had to be delivered again", measured.redeliveries, measured.events);
        }
        Ok(())
    }

    /// Delivers an event until all of it is settled; says how often again.
    async fn settle(&self, event: &str, records: usize) -> anyhow::Result<usize> {
        for delivery in 0..20 {
            let deadlines = Deadlines::within(INVOCATION, tokio::time::Instant::now());
            let (response, _) = self.settler.settle(serde_json::from_str(event)?, now(), deadlines).await;
            if response.batch_item_failures.is_empty() {
                return Ok(delivery);
            }
        }
        anyhow::bail!("an event of {records} records is not settled after 20 deliveries")
    }

    /// The next event, as full as it goes.
    fn event(&mut self, from: usize, end: usize, body: impl Fn(usize) -> String) -> anyhow::Result<(String, usize)> {
        let mut text = String::from(r#"{"eventSource":"aws:SelfManagedKafka","records":{"passbook.commands-0":["#);
        let mut records = 0;
        while from + records < end && records < MOST_RECORDS && text.len() < LARGEST_EVENT {
            let command = NewCommand::from_body(body(from + records).as_bytes())?;
            if records > 0 {
                text.push(',');
            }
            text.push_str(&self.record(&command));
            self.next += 1;
            records += 1;
        }
        text.push_str("]}}");
        Ok((text, records))
    }

    fn record(&self, command: &NewCommand) -> String {
        json!({
            "topic": ledger::COMMANDS, "partition": 0, "offset": self.next,
            "timestamp": 1_750_000_000_000_u64 + self.next, "timestampType": "LOG_APPEND_TIME",
            "key": BASE64_STANDARD.encode(command.account.group()),
            "value": BASE64_STANDARD.encode(record::encode(command, GENERATION)), "headers": [],
        })
        .to_string()
    }
}

/// The most memory that this process has had, in MB (`VmHWM` of proc(5)).
fn most_memory() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes / 1024)
}

#[expect(clippy::disallowed_methods, reason = "the outermost shell: everything inside takes the time as an argument")]
fn now() -> Timestamp {
    Timestamp::from_epoch_ms(jiff::Timestamp::now().as_millisecond())
}
