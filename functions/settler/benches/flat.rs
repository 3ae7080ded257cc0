//! Whether books that have grown are slower than small ones.
//!
//!     cargo bench --workspace --bench flat -- --mongo mongodb://127.0.0.1:27017
//!
//! Two books in one mongod: one with some twenty entries in each account, one with as many as asked for. The last page of an
//! account is as full in both. Then settling and reading are measured on both, in turns, so that what else the machine does
//! meets both alike; the medians of the rounds count. The books are checked at the end, and dropped.

mod deposits;
mod own_books;

use std::time::Instant;

use anyhow::ensure;
use clap::Parser;
use deposits::{Case, Log, MANY, account, hot_account, open_accounts, settle_in_order};
use ledger::{AccountId, PAGE_CAPACITY};
use ledger_store::{MongoStore, Reading};
use own_books::{OnMongo, with_own_books};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Of a batch that lets books grow: few accounts with many entries each, which is fast.
const GROWN_AT_ONCE: usize = 50;
const ENTRIES_EACH: u64 = 100;
/// Reads of one kind in a round: five rounds see each account once.
const READS: usize = 2_000;
/// Entries that are read at once; every account has as many.
const STATEMENT: usize = 10;

const CASES: [Case; 4] = [
    Case { accounts: 1, batch: 100, partitions: 1, batches: 100 },
    Case { accounts: 1, batch: 1_000, partitions: 1, batches: 50 },
    Case { accounts: MANY, batch: 100, partitions: 1, batches: 100 },
    Case { accounts: MANY, batch: 1_000, partitions: 1, batches: 25 },
];

/// Settles and reads in books with many entries, beside small ones, and says how fast.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    on: OnMongo,
    /// How many entries the grown books have at least, over 10,000 accounts.
    #[arg(long, default_value_t = 10_000_000)]
    entries: u64,
    /// How often each measurement is repeated; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Books, and the log that they are settled from.
struct Side<'a> {
    store: &'a MongoStore,
    log: Log,
}

/// What is read.
#[derive(Debug, Clone, Copy)]
enum Read {
    Account,
    Newest,
    First,
}

// One thread, as in `settler` itself.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let both = async |small: &MongoStore| {
        let grown = with_own_books(&args.on, "grown", async |grown| measure_all(&args, small, grown).await).await?;
        println!("The books are right: {} entries in {} accounts.", grown.entries, grown.accounts);
        Ok(())
    };
    with_own_books(&args.on, "small", both).await.map(drop)
}

async fn measure_all(args: &Args, small: &MongoStore, grown: &MongoStore) -> anyhow::Result<()> {
    let mut sides = [Side::open(small).await?, Side::open(grown).await?];
    let each = args.entries.div_ceil(MANY as u64);
    // As many as fill the last page of an account as far, and another page.
    sides[0].grow(each % PAGE_CAPACITY + PAGE_CAPACITY).await?;
    sides[1].grow(each).await?;
    let rounds = args.rounds.max(1);
    println!("\n{:<44} {:>10} {:>10} {:>6}", "settling, entries a second", "small", "grown", "ratio");
    for case in CASES {
        let mut medians = Medians::default();
        for round in 0..rounds {
            for at in in_turns(round) {
                medians.0[at].push(sides[at].settle(case).await?);
            }
        }
        let accounts = if case.accounts == 1 { "1 account" } else { "10,000 accounts" };
        medians.print(&format!("{accounts}, batches of {}", case.batch));
    }
    println!("\n{:<44} {:>10} {:>10} {:>6}", "reading, reads a second", "small", "grown", "ratio");
    for what in [Read::Account, Read::Newest, Read::First] {
        let mut medians = Medians::default();
        for round in 0..rounds {
            for at in in_turns(round) {
                medians.0[at].push(sides[at].read(what, round).await?);
            }
        }
        medians.print(what.name());
    }
    Ok(())
}

/// Each side is the first one every other time.
const fn in_turns(round: usize) -> [usize; 2] {
    [round % 2, 1 - round % 2]
}

impl<'a> Side<'a> {
    async fn open(store: &'a MongoStore) -> anyhow::Result<Self> {
        let mut logs = [Log::new(0)];
        open_accounts(store, &mut logs).await?;
        let [log] = logs;
        Ok(Self { store, log })
    }

    /// So many entries more in each account.
    async fn grow(&mut self, each: u64) -> anyhow::Result<()> {
        let (mut settled, started) = (0, Instant::now());
        let mut to_come = each;
        while to_come > 0 {
            let more = to_come.min(ENTRIES_EACH);
            let hot = std::iter::once(hot_account(0)).collect();
            let groups =
                (0..MANY).step_by(GROWN_AT_ONCE).map(|first| (first..first + GROWN_AT_ONCE).map(account).collect());
            for accounts in groups.chain([hot]) {
                settled += self.grow_some(accounts, more).await?;
            }
            to_come -= more;
            println!("{settled} entries after {} s", started.elapsed().as_secs());
        }
        Ok(())
    }

    async fn grow_some(&mut self, accounts: Vec<AccountId>, each: u64) -> anyhow::Result<usize> {
        let deposits = accounts.iter().flat_map(|account| (0..each).map(move |_| account.clone()));
        let records: Vec<_> = deposits.map(|account| self.log.record(account, 1)).collect();
        let settled = records.len();
        let batch = self.log.batch(records);
        settle_in_order(self.store, vec![batch]).await?;
        Ok(settled)
    }

    /// Entries a second.
    async fn settle(&mut self, case: Case) -> anyhow::Result<u64> {
        let batches = self.log.batches(case);
        let started = Instant::now();
        settle_in_order(self.store, batches).await?;
        Ok(per_second(case.batch * case.batches, started))
    }

    /// Reads a second, one after the other, each time of other accounts.
    async fn read(&self, what: Read, round: usize) -> anyhow::Result<u64> {
        let started = Instant::now();
        for at in round * READS..(round + 1) * READS {
            let id = account(at * 7_919 % MANY);
            match what {
                Read::Account => ensure!(self.store.account(&id).await?.is_some(), "no account {id}"),
                Read::Newest | Read::First => {
                    let before = matches!(what, Read::First).then_some(STATEMENT as u64 + 1);
                    let found = self.store.statement(&id, before, STATEMENT).await?.unwrap_or_default();
                    ensure!(found.len() == STATEMENT, "{} entries of {id}", found.len());
                }
            }
        }
        Ok(per_second(READS, started))
    }
}

impl Read {
    const fn name(self) -> &'static str {
        match self {
            Self::Account => "an account",
            Self::Newest => "its newest 10 entries",
            Self::First => "its first 10 entries",
        }
    }
}

/// The figures of the small books and of the grown ones.
#[derive(Default)]
struct Medians([Vec<u64>; 2]);

impl Medians {
    fn print(self, what: &str) {
        let [small, grown] = self.0.map(|mut figures| {
            figures.sort_unstable();
            figures[figures.len() / 2]
        });
        let percent = grown * 100 / small.max(1);
        println!("{what:<44} {small:>10} {grown:>10} {percent:>4} %");
    }
}

fn per_second(count: usize, started: Instant) -> u64 {
    (count as u128 * 1_000_000_000 / started.elapsed().as_nanos().max(1)) as u64
}
