//! How many entries a second settling writes, and what bounds it.
//!
//!     cargo bench -p settler --bench settle -- --mongo mongodb://127.0.0.1:27017
//!
//! Real batches, as the log would bring them, through the whole of `apply` against a real mongod: one transaction a batch,
//! committed to the journal of the majority. Each measurement takes the median of its rounds; the batches are made
//! before the clock starts. The books are checked at the end. Everything happens in a database of its own, which is
//! dropped.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use ledger::{AccountId, Action, Amount, Command, Money, Partition, Position, Timestamp};
use ledger_store::{Content, LogRecord, MongoStore, PartitionBatch, Settling, Spent, Step, StoreConfig};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TOPIC: &str = "passbook.commands";
const MANY: usize = 10_000;
/// In 2100: MongoDB's sweeper goes by the real clock.
const SETTLED_AT: Timestamp = Timestamp::from_epoch_ms(4_102_444_800_000);
const TOO_LONG: Duration = Duration::from_secs(120);

/// Settles batches into one account and into 10,000, one and two partitions at once, and says how fast.
#[derive(Debug, Parser)]
struct Args {
    /// The address of a replica set; its mongod should have nothing else to do.
    #[arg(long, env = "MONGODB_URI")]
    mongo: String,
    /// How often each measurement is repeated; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Print one JSON object a line in place of the table.
    #[arg(long)]
    json: bool,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
struct Case {
    accounts: usize,
    batch: usize,
    partitions: Partition,
    batches: usize,
}

/// One account at a time can be settled by one partition only; so two partitions have one each.
const CASES: [Case; 12] = [
    Case { accounts: 1, batch: 100, partitions: 1, batches: 200 },
    Case { accounts: 1, batch: 1_000, partitions: 1, batches: 100 },
    Case { accounts: 1, batch: 5_000, partitions: 1, batches: 40 },
    Case { accounts: 1, batch: 100, partitions: 2, batches: 200 },
    Case { accounts: 1, batch: 1_000, partitions: 2, batches: 100 },
    Case { accounts: 1, batch: 5_000, partitions: 2, batches: 40 },
    Case { accounts: MANY, batch: 100, partitions: 1, batches: 200 },
    Case { accounts: MANY, batch: 1_000, partitions: 1, batches: 50 },
    Case { accounts: MANY, batch: 5_000, partitions: 1, batches: 20 },
    Case { accounts: MANY, batch: 100, partitions: 2, batches: 100 },
    Case { accounts: MANY, batch: 1_000, partitions: 2, batches: 25 },
    Case { accounts: MANY, batch: 5_000, partitions: 2, batches: 10 },
];

/// One round of a case.
#[derive(Debug)]
struct Round {
    entries_per_second: u64,
    elapsed: Duration,
    spent: Spent,
}

// One thread, as in `settler` itself.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let name = format!("passbook_bench_{}", std::process::id());
    let database = mongodb::Client::with_uri_str(&args.mongo).await?.database(&name);
    let measured = measure_all(&args, &name).await;
    database.drop().await.context("the benchmark's database could not be dropped")?;
    measured
}

async fn measure_all(args: &Args, database: &str) -> anyhow::Result<()> {
    let store = MongoStore::connect(StoreConfig::new(&args.mongo, database)).await?;
    store.initialize(false).await.context("the benchmark needs a replica set; `passbook store init` makes one")?;
    let mut logs: Vec<Log> = (0..2).map(Log::new).collect();
    open_accounts(&store, &mut logs).await?;
    if !args.json {
        println!(
            "{:>8} {:>6} {:>10} {:>10} {:>9}   of the time, waiting or working",
            "accounts", "batch", "partitions", "entries/s", "ms/batch"
        );
    }
    for case in CASES {
        let mut rounds = Vec::new();
        for _ in 0..args.rounds.max(1) {
            rounds.push(measure(&store, &mut logs, case).await?);
        }
        rounds.sort_by_key(|round| round.entries_per_second);
        let median = rounds.swap_remove(rounds.len() / 2);
        println!("{}", if args.json { as_json(case, &median) } else { as_line(case, &median) });
    }
    let checked = store.check().await?;
    ensure!(checked.difference.is_none(), "the books are wrong: {:?}", checked.difference);
    if !args.json {
        println!("The books are right: {} entries in {} accounts.", checked.entries, checked.accounts);
    }
    Ok(())
}

/// A first deposit into every account, so that what is measured finds them.
async fn open_accounts(store: &MongoStore, logs: &mut [Log]) -> anyhow::Result<()> {
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

async fn measure(store: &MongoStore, logs: &mut [Log], case: Case) -> anyhow::Result<Round> {
    let work: Vec<Vec<PartitionBatch>> =
        logs.iter_mut().take(case.partitions.into()).map(|log| log.batches(case)).collect();
    let before = store.spent();
    let start = Instant::now();
    let partitions = work.into_iter().map(|batches| settle_in_order(store, batches));
    futures::future::try_join_all(partitions).await?;
    let elapsed = start.elapsed();
    let entries = (case.batch * case.batches * usize::from(case.partitions)) as u128;
    let entries_per_second = (entries * 1_000_000_000 / elapsed.as_nanos().max(1)) as u64;
    Ok(Round { entries_per_second, elapsed, spent: store.spent().since(&before) })
}

async fn settle_in_order(store: &MongoStore, batches: Vec<PartitionBatch>) -> anyhow::Result<()> {
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

fn as_line(case: Case, round: &Round) -> String {
    let mut shares: Vec<(Step, u128)> = Step::ALL.map(|step| (step, share(round, step, case))).to_vec();
    let listed: Vec<String> =
        shares.iter().map(|(step, percent)| format!("{} {percent:>2} %", step_name(*step))).collect();
    shares.sort_by_key(|(_, percent)| *percent);
    let bound = shares.last().map_or("", |(step, _)| bound_by(*step));
    let conflicts = round.spent.attempts - round.spent.batches;
    let retried = if conflicts > 0 { format!("; {conflicts} conflicts retried") } else { String::new() };
    format!(
        "{:>8} {:>6} {:>10} {:>10} {:>9}   {}; bounded by {bound}{retried}",
        case.accounts,
        case.batch,
        case.partitions,
        round.entries_per_second,
        round.elapsed.as_millis() / case.batches as u128,
        listed.join(", "),
    )
}

fn as_json(case: Case, round: &Round) -> String {
    let shares: Vec<String> =
        Step::ALL.map(|step| format!("\"{}\":{}", step_name(step), share(round, step, case))).to_vec();
    format!(
        "{{\"accounts\":{},\"batch\":{},\"partitions\":{},\"entries_per_second\":{},\"percent\":{{{}}}}}",
        case.accounts,
        case.batch,
        case.partitions,
        round.entries_per_second,
        shares.join(",")
    )
}

/// A step's part of all the time the partitions took, in percent.
fn share(round: &Round, step: Step, case: Case) -> u128 {
    let all = round.elapsed.as_nanos() * u128::from(case.partitions);
    round.spent.on(step).as_nanos() * 100 / all.max(1)
}

const fn step_name(step: Step) -> &'static str {
    match step {
        Step::Read => "read",
        Step::Fold => "fold",
        Step::Encode => "encode",
        Step::Write => "write",
        Step::Commit => "commit",
    }
}

const fn bound_by(step: Step) -> &'static str {
    match step {
        Step::Read => "MongoDB reading the accounts",
        Step::Fold => "the fold, its digests above all",
        Step::Encode => "building the commands",
        Step::Write => "MongoDB writing the documents",
        Step::Commit => "MongoDB's journal and majority",
    }
}

/// The log of one partition, with accounts picked at random: the same in every run.
struct Log {
    partition: Partition,
    next: u64,
    random: u64,
}

impl Log {
    fn new(partition: Partition) -> Self {
        Self { partition, next: 0, random: 0x9e37_79b9_7f4a_7c15 ^ u64::from(partition) }
    }

    fn batches(&mut self, case: Case) -> Vec<PartitionBatch> {
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

    fn record(&mut self, account: AccountId, amount: i64) -> LogRecord {
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

    fn batch(&self, records: Vec<LogRecord>) -> PartitionBatch {
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

fn account(at: usize) -> AccountId {
    format!("customer-{at:05}").parse().expect("a benchmark's account id is one")
}

fn hot_account(partition: Partition) -> AccountId {
    format!("hot-{partition}").parse().expect("a benchmark's account id is one")
}
