//! How many entries a second settling writes, and what bounds it.
//!
//!     cargo bench -p settler --bench settle -- --mongo mongodb://127.0.0.1:27017
//!
//! Real batches, as the log would bring them, through the whole of `apply` against a real mongod: one transaction a batch,
//! committed to the journal of the majority. Each measurement takes the median of its rounds; the batches are made
//! before the clock starts. The books are checked at the end. Everything happens in a database of its own, which is
//! dropped.

mod deposits;
mod own_books;

use std::time::{Duration, Instant};

use clap::Parser;
use deposits::{Case, Log, MANY, open_accounts, settle_in_order};
use ledger_store::{MongoStore, PartitionBatch, Spent, Step};
use own_books::{OnMongo, with_own_books};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Settles batches into one account and into 10,000, one and two partitions at once, and says how fast.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    on: OnMongo,
    /// How often each measurement is repeated; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Print one JSON object a line in place of the table.
    #[arg(long)]
    json: bool,
}

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
    let checked = with_own_books(&args.on, "settle", async |store| measure_all(&args, store).await).await?;
    if !args.json {
        println!("The books are right: {} entries in {} accounts.", checked.entries, checked.accounts);
    }
    Ok(())
}

async fn measure_all(args: &Args, store: &MongoStore) -> anyhow::Result<()> {
    let mut logs: Vec<Log> = (0..2).map(Log::new).collect();
    open_accounts(store, &mut logs).await?;
    if !args.json {
        println!(
            "{:>8} {:>6} {:>10} {:>10} {:>9}   of the time, waiting or working",
            "accounts", "batch", "partitions", "entries/s", "ms/batch"
        );
    }
    for case in CASES {
        let mut rounds = Vec::new();
        for _ in 0..args.rounds.max(1) {
            rounds.push(measure(store, &mut logs, case).await?);
        }
        rounds.sort_by_key(|round| round.entries_per_second);
        let median = rounds.swap_remove(rounds.len() / 2);
        println!("{}", if args.json { as_json(case, &median) } else { as_line(case, &median) });
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
