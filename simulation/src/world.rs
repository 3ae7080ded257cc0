//! Two settlers, an event source, and what happens to them.

mod endings;

use std::time::Duration;

use fastrand::Rng;
use ledger::{Offset, Partition, Policy, Timestamp};
use ledger_store::{Memory, MemoryStore, Store, Terms};
use settler::{BatchResponse, Deadlines, KafkaEvent, PartitionName, PartitionRecords, Record, Settler};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::Wrong;
use crate::books::{Faulty, Room};
use crate::log::{Log, PARTITIONS, PLACEMENT};
use crate::oracle;
use crate::outcomes::Outcomes;
use crate::reader::Commands;

/// When every run begins.
pub(crate) const BEGINNING: i64 = 1_700_000_000_000;
/// What Lambda gives an invocation.
pub(crate) const INVOCATION: Duration = Duration::from_secs(60);
/// Within so many deliveries to each partition all is settled once everything has healed.
const PATIENCE: usize = 200;

/// How long a delivery takes at most where nothing is slow, also when its first transactions are too large.
const PROMPT: Duration = Duration::from_secs(5);

/// A fault of the program, planted to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    Nothing,
    /// What the fence says is not believed: what comes again is applied again.
    FenceForgotten,
    /// Contra accounts are never found.
    ContraForgotten,
    /// Idempotency keys are never found.
    KeysForgotten,
    /// A publication that failed passes for one that did not.
    FailedPublicationUntold,
    /// What is missing from a batch passes for markers.
    GapsTakenForMarkers,
    /// What was applied passes for published.
    UnpublishedForgotten,
}

impl Plant {
    pub const ALL: [Self; 6] = [
        Self::FenceForgotten,
        Self::ContraForgotten,
        Self::KeysForgotten,
        Self::FailedPublicationUntold,
        Self::GapsTakenForMarkers,
        Self::UnpublishedForgotten,
    ];
}

/// One execution environment.
struct Environment {
    books: Faulty,
    settler: std::sync::Arc<Settler<Store<Faulty>, Outcomes, Commands>>,
}

/// A delivery under way: its partitions, each with the offset to go on from.
type Delivery = JoinHandle<Option<Vec<(Partition, Offset)>>>;

pub(crate) struct World {
    rng: Rng,
    plant: Plant,
    pub(crate) log: Log,
    memory: Memory,
    room: Room,
    pub(crate) outcomes: Outcomes,
    commands: Commands,
    environments: Vec<Environment>,
    /// What the event source has committed.
    committed: [Offset; PARTITIONS as usize],
    under_way: Vec<Delivery>,
    began: Instant,
    is_healed: bool,
}

/// Keys are remembered for half a minute, so that a run sees them end.
pub(crate) fn terms() -> Terms {
    let policy = Policy { key_lifetime: Duration::from_secs(30), ..Policy::default() };
    Terms { policy, accepts_writers_time: false }
}

impl World {
    pub(crate) fn new(seed: u64, plant: Plant) -> Result<Self, Wrong> {
        let mut rng = Rng::with_seed(seed);
        let memory = Memory::default();
        let store = MemoryStore::new(memory.clone(), terms());
        let topic = ledger::COMMANDS;
        store.begin_generation(topic, PARTITIONS, PLACEMENT.generation, None).map_err(|error| error.to_string())?;
        let outcomes = Outcomes::new(rng.fork(), rng.u8(..25), plant);
        let commands = Commands::new(rng.fork(), rng.u8(..25), plant);
        let room = Room::random(&mut rng);
        let mut world = Self {
            rng,
            plant,
            log: Log::default(),
            memory,
            room,
            outcomes,
            commands,
            environments: Vec::new(),
            committed: [0; PARTITIONS as usize],
            under_way: Vec::new(),
            began: Instant::now(),
            is_healed: false,
        };
        world.environments = (0..2).map(|_| world.environment()).collect();
        Ok(world)
    }

    fn environment(&mut self) -> Environment {
        let percent = if self.is_healed { 0 } else { self.rng.u8(..12) };
        let books = Faulty::new(self.memory.clone(), self.rng.fork(), percent, self.room, self.plant);
        let store = Store::new(books.clone(), terms());
        Environment {
            books,
            settler: std::sync::Arc::new(Settler::new(store, self.outcomes.clone(), self.commands.clone())),
        }
    }

    pub(crate) fn store(&self) -> MemoryStore {
        MemoryStore::new(self.memory.clone(), terms())
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_epoch_ms(BEGINNING).plus(self.began.elapsed())
    }

    pub(crate) async fn run(mut self) -> Result<(), Wrong> {
        for _ in 0..self.rng.usize(20..70) {
            self.happen().await;
        }
        self.heal().await?;
        oracle::check(&self).await?;
        let before = oracle::picture(&self).await?;
        self.deliver_everything_again().await?;
        if oracle::picture(&self).await? != before {
            return Err("to deliver everything again changed the books".to_owned());
        }
        self.end(&before).await
    }

    async fn happen(&mut self) {
        let now = self.now();
        match self.rng.u8(..100) {
            0..30 => {
                for _ in 0..self.rng.usize(1..6) {
                    self.log.accept(&mut self.rng, now);
                }
            }
            30..36 => self.log.write_junk(&mut self.rng, now),
            36..37 => self.log.misplace(&mut self.rng, now),
            85..88 => self.log.mark(&mut self.rng),
            88..90 => self.give_up(),
            37..40 => self.log.skew_ms = [0, 0, -90_000, 120_000, 600_000][self.rng.usize(..5)],
            40..72 => self.deliver_next(),
            72..80 => self.deliver_again(),
            80..85 => self.crash(),
            _ => sleep(Duration::from_millis(self.rng.u64(1..20_000))).await,
        }
        self.collect(Duration::from_millis(1)).await;
    }

    /// What the event source has not committed yet.
    fn deliver_next(&mut self) {
        let partition = self.rng.u16(..PARTITIONS);
        let (from, most) = (self.committed[usize::from(partition)], self.rng.usize(1..14));
        self.deliver(partition, from, most);
    }

    /// What may have been settled long ago.
    fn deliver_again(&mut self) {
        let partition = self.rng.u16(..PARTITIONS);
        let (from, most) = (self.rng.u64(..=self.committed[usize::from(partition)]), self.rng.usize(1..20));
        self.deliver(partition, from, most);
    }

    /// The event source's patience with a batch is over: what comes next comes without it.
    fn give_up(&mut self) {
        let partition = self.rng.u16(..PARTITIONS);
        let given_up = self.log.read(partition, self.committed[usize::from(partition)], self.rng.usize(1..5));
        if let Some((last, _)) = given_up.last() {
            self.committed[usize::from(partition)] = last + 1;
        }
    }

    fn deliver(&mut self, partition: Partition, from: Offset, most: usize) {
        let records = self.log.read(partition, from, most);
        let mut delivered = vec![(partition, records)];
        // Lambda puts several partitions into one event.
        if self.rng.bool() {
            let other = (partition + 1) % PARTITIONS;
            delivered.push((other, self.log.read(other, self.committed[usize::from(other)], most)));
        }
        delivered.retain(|(_, records)| !records.is_empty());
        if delivered.is_empty() {
            return;
        }
        let ends = delivered.iter().filter_map(|(partition, records)| Some((*partition, records.last()?.0 + 1)));
        let ends: Vec<_> = ends.collect();
        self.commands.look_at(&self.log);
        let at = self.rng.usize(..self.environments.len());
        let (settler, now) = (self.environments[at].settler.clone(), self.now());
        self.under_way.push(tokio::spawn(async move {
            let deadlines = Deadlines::within(INVOCATION, Instant::now());
            let (settled, _) = timeout(INVOCATION, settler.settle(event(delivered), now, deadlines)).await.ok()?;
            let committed = |(partition, end)| (partition, first_failed(&settled, partition).unwrap_or(end));
            Some(ends.into_iter().map(committed).collect())
        }));
    }

    /// Commits what deliveries that have ended say; gives those under way so much time.
    async fn collect(&mut self, time: Duration) {
        sleep(time).await;
        let mut under_way = Vec::new();
        for delivery in std::mem::take(&mut self.under_way) {
            if !delivery.is_finished() {
                under_way.push(delivery);
            } else if let Ok(Some(ended)) = delivery.await {
                for (partition, next) in ended {
                    let committed = &mut self.committed[usize::from(partition)];
                    *committed = (*committed).max(next);
                }
            }
        }
        self.under_way = under_way;
    }

    fn crash(&mut self) {
        let at = self.rng.usize(..self.environments.len());
        self.environments[at].books.crash();
        let environment = self.environment();
        self.environments[at] = environment;
    }

    /// Nothing fails any more and the clocks are right. Then all is settled.
    async fn heal(&mut self) -> Result<(), Wrong> {
        self.is_healed = true;
        self.outcomes.heal();
        self.commands.heal();
        self.log.skew_ms = 0;
        for environment in &self.environments {
            environment.books.crash();
        }
        self.environments = vec![self.environment()];
        // Longer than any pause, any transaction, and any clock that is ahead.
        self.collect(Duration::from_secs(3_600)).await;
        // One more command each, so that what came before it is looked after.
        let (now, ends) = (self.now(), self.ends());
        while self.ends().iter().zip(ends).any(|(end, before)| *end == before) {
            self.log.accept(&mut self.rng, now);
        }
        for partition in 0..PARTITIONS {
            self.settle_all(partition, self.committed[usize::from(partition)]).await?;
        }
        Ok(())
    }

    fn ends(&self) -> [Offset; PARTITIONS as usize] {
        std::array::from_fn(|partition| self.log.end(partition as Partition))
    }

    async fn deliver_everything_again(&mut self) -> Result<(), Wrong> {
        for partition in 0..PARTITIONS {
            self.settle_all(partition, 0).await?;
        }
        Ok(())
    }

    async fn settle_all(&mut self, partition: Partition, from: Offset) -> Result<(), Wrong> {
        self.committed[usize::from(partition)] = from;
        // What fails comes again as it was, and no smaller.
        let most = self.rng.usize(1..20);
        for _ in 0..PATIENCE {
            let from = self.committed[usize::from(partition)];
            if self.log.read(partition, from, 1).is_empty() {
                return Ok(());
            }
            self.deliver(partition, from, most);
            self.collect(if self.room.is_slow() { Duration::from_secs(61) } else { PROMPT }).await;
            if !self.under_way.is_empty() {
                return Err(format!(
                    "a delivery of partition {partition} takes more than {PROMPT:?}, and nothing is slow"
                ));
            }
        }
        Err(format!("partition {partition} stands at offset {} for ever", self.committed[usize::from(partition)]))
    }
}

fn name_of(partition: Partition) -> PartitionName {
    PartitionName { topic: ledger::COMMANDS.to_owned(), partition }
}

/// The first offset of a partition that is to be delivered again.
fn first_failed(response: &BatchResponse, partition: Partition) -> Option<Offset> {
    let name = name_of(partition).to_string();
    let failures = response.batch_item_failures.iter().map(|failure| &failure.item_identifier);
    failures.filter(|failure| failure.partition == name).map(|failure| failure.offset).min()
}

pub(crate) fn event(partitions: Vec<(Partition, Vec<(Offset, crate::log::Record)>)>) -> KafkaEvent {
    let record = |(offset, record): (Offset, crate::log::Record)| Record {
        offset,
        timestamp: record.time.epoch_ms(),
        stamped_by_broker: true,
        key: Some(record.key),
        value: Some(record.value),
        traceparent: None,
    };
    let records_of = |(partition, records): (Partition, Vec<_>)| PartitionRecords {
        name: name_of(partition),
        records: records.into_iter().map(record).collect(),
    };
    KafkaEvent { records: partitions.into_iter().map(records_of).collect() }
}
