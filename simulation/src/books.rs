//! The books in memory, behind the faults of a MongoDB and of the machine that speaks to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use ledger::{AccountId, Entry, Generation, IdempotencyKey, KnownKey, Partition, Position};
use ledger_store::{
    Applied, Books, Fence, FenceMove, FoundAccounts, LogRecord, Memory, MemoryTransaction, Published, StoreError,
    Transaction, WantedAccounts, Work,
};
use tokio::time::{Instant, sleep};

use crate::world::Plant;

/// How long MongoDB leaves a transaction alone (`transactionLifetimeLimitSeconds`, as ours is set).
const TRANSACTION_LIFETIME: Duration = Duration::from_secs(15);

/// What may go wrong, and whether it does.
#[derive(Debug)]
pub(crate) struct Chance {
    rng: Rng,
    /// Of a hundred steps, how many go wrong.
    percent: u8,
    has_crashed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Go,
    Away,
    Conflict,
    TooLarge,
    Pause(Duration),
    Crash,
}

/// How many accounts MongoDB takes in one transaction. It is the same throughout a run: like a small cache, it does not heal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    accounts: usize,
    /// What becomes of more.
    beyond: Beyond,
}

#[derive(Debug, Clone, Copy)]
enum Beyond {
    /// Refused when they are read.
    Unread,
    /// Refused when they are written.
    Unwritten,
    /// MongoDB gives the transaction up while it writes them, and the answer never comes.
    Slow,
}

impl Room {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let accounts = if rng.bool() { usize::MAX } else { rng.usize(1..4) };
        Self { accounts, beyond: [Beyond::Unread, Beyond::Unwritten, Beyond::Slow][rng.usize(..3)] }
    }

    /// Whether what is too large takes its time.
    pub(crate) fn is_slow(self) -> bool {
        self.accounts < usize::MAX && matches!(self.beyond, Beyond::Slow)
    }

    fn check(self, accounts: usize) -> Result<(), StoreError> {
        let room = self.accounts;
        let too_large = || StoreError::TooLarge(format!("{accounts} accounts, and there is room for {room}"));
        if accounts > room { Err(too_large()) } else { Ok(()) }
    }
}

/// The books as one settler sees them.
#[derive(Debug, Clone)]
pub(crate) struct Faulty {
    memory: Memory,
    chance: Arc<Mutex<Chance>>,
    room: Room,
    plant: Plant,
}

impl Faulty {
    pub(crate) fn new(memory: Memory, rng: Rng, percent: u8, room: Room, plant: Plant) -> Self {
        Self { memory, chance: Arc::new(Mutex::new(Chance { rng, percent, has_crashed: false })), room, plant }
    }

    /// The machine is gone: nothing of this settler ever goes on.
    pub(crate) fn crash(&self) {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner).has_crashed = true;
    }

    pub(crate) fn has_crashed(&self) -> bool {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner).has_crashed
    }

    fn fate(&self) -> Fate {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        if chance.has_crashed {
            return Fate::Crash;
        }
        let percent = chance.percent;
        if chance.rng.u8(..100) >= percent {
            return Fate::Go;
        }
        match chance.rng.u8(..10) {
            0..3 => Fate::Away,
            3..5 => Fate::Conflict,
            5 => Fate::TooLarge,
            6..9 => Fate::Pause(Duration::from_millis(chance.rng.u64(1..90_000))),
            _ => {
                chance.has_crashed = true;
                Fate::Crash
            }
        }
    }

    /// A step that is about to be done. How long it was paused.
    async fn step(&self) -> Result<Duration, StoreError> {
        match self.fate() {
            Fate::Go => Ok(Duration::ZERO),
            Fate::Away => Err(away()),
            Fate::Conflict => Err(StoreError::Conflict("simulated".to_owned())),
            Fate::TooLarge => Err(StoreError::TooLarge("simulated".to_owned())),
            Fate::Pause(pause) => {
                sleep(pause).await;
                if self.has_crashed() { std::future::pending().await } else { Ok(pause) }
            }
            Fate::Crash => std::future::pending().await,
        }
    }
}

fn away() -> StoreError {
    mongodb::error::Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset)).into()
}

impl Books for Faulty {
    type Transaction = FaultyTransaction;

    async fn begin(&self) -> Result<FaultyTransaction, StoreError> {
        self.step().await?;
        Ok(FaultyTransaction { inner: Some(self.memory.begin().await?), books: self.clone() })
    }

    async fn find_applied(
        &self,
        partition: Partition,
        generation: Generation,
        records: &[LogRecord],
    ) -> Result<Vec<(Position, Applied)>, StoreError> {
        self.step().await?;
        self.memory.find_applied(partition, generation, records).await
    }

    async fn mark_published(&self, marks: &[Published]) -> Result<(), StoreError> {
        self.step().await?;
        self.memory.mark_published(marks).await
    }
}

pub(crate) struct FaultyTransaction {
    /// Nothing once the server has given it up.
    inner: Option<MemoryTransaction>,
    books: Faulty,
}

impl FaultyTransaction {
    /// A step of the transaction. The server gives up one that it has not heard of for long, also where the machine that
    /// began it is gone.
    async fn step(&mut self) -> Result<&mut MemoryTransaction, StoreError> {
        let books = self.books.clone();
        let stepping = books.step();
        tokio::pin!(stepping);
        let paused = tokio::select! {
            biased;
            stepped = &mut stepping => stepped?,
            () = sleep(TRANSACTION_LIFETIME) => {
                self.inner = None;
                stepping.await?
            }
        };
        if paused >= TRANSACTION_LIFETIME {
            self.inner = None;
        }
        self.inner.as_mut().ok_or_else(|| StoreError::Conflict("the server has ended the transaction".to_owned()))
    }
}

impl Transaction for FaultyTransaction {
    async fn move_fences(&mut self, moves: &[FenceMove]) -> Result<Vec<Option<Fence>>, StoreError> {
        let plant = self.books.plant;
        let found = self.step().await?.move_fences(moves).await?;
        let seen = |found: Option<Fence>| match plant {
            Plant::FenceForgotten => None,
            Plant::UnpublishedForgotten => found.map(|fence| Fence { published: fence.next_offset, ..fence }),
            _ => found,
        };
        Ok(found.into_iter().map(seen).collect())
    }

    async fn read_accounts(&mut self, wanted: &WantedAccounts, most: usize) -> Result<FoundAccounts, StoreError> {
        let Faulty { plant, room, .. } = self.books;
        if matches!(room.beyond, Beyond::Unread) {
            room.check(wanted.accounts.len())?;
        }
        let mut found = self.step().await?.read_accounts(wanted, most).await?;
        if plant == Plant::ContraForgotten {
            found.contra.clear();
        }
        Ok(found)
    }

    async fn read_open_pages(&mut self, accounts: &[AccountId]) -> Result<Vec<(AccountId, Vec<Entry>)>, StoreError> {
        self.step().await?.read_open_pages(accounts).await
    }

    async fn read_ends_of_holds(&mut self, holds: &[Position]) -> Result<Vec<(AccountId, Vec<Entry>)>, StoreError> {
        self.step().await?.read_ends_of_holds(holds).await
    }

    async fn read_keys(
        &mut self,
        keys: &[(AccountId, IdempotencyKey)],
    ) -> Result<Vec<(AccountId, IdempotencyKey, KnownKey)>, StoreError> {
        let plant = self.books.plant;
        let found = self.step().await?.read_keys(keys).await?;
        Ok(if plant == Plant::KeysForgotten { Vec::new() } else { found })
    }

    async fn write(&mut self, works: &[Work]) -> Result<(), StoreError> {
        let room = self.books.room;
        let accounts = works.iter().map(|work| work.changes.accounts.len()).sum();
        match (room.beyond, room.check(accounts)) {
            (Beyond::Unwritten, Err(too_large)) => return Err(too_large),
            // The server gives it up before it is done, and the answer never comes.
            (Beyond::Slow, Err(_)) => {
                sleep(TRANSACTION_LIFETIME).await;
                self.inner = None;
                std::future::pending().await
            }
            _ => {}
        }
        self.step().await?.write(works).await
    }

    /// Nobody may learn whether it was done, though it was.
    async fn commit(&mut self, until: Instant) -> Result<(), StoreError> {
        self.step().await?.commit(until).await?;
        self.step().await.map(drop)
    }

    async fn abort(&mut self) {
        if let Some(inner) = &mut self.inner {
            inner.abort().await;
        }
    }
}
