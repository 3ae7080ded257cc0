//! A model of the command topic.

use std::num::NonZeroU16;

use fastrand::Rng;
use ledger::{AccountId, Command, Offset, Partition, Placement, Position, Timestamp, TransactionId};
use ledger_wire::record::{Place, decode, encode};
use ledger_wire::{NewCommand, named_account};

pub(crate) const PARTITIONS: Partition = 2;
pub(crate) const PLACEMENT: Placement = Placement { generation: 1, partitions: NonZeroU16::new(PARTITIONS).unwrap() };
/// Some for each partition, two of one placement group, and two that no deposit opens.
pub(crate) const ACCOUNTS: [&str; 7] = ["alice", "bob", "carol", "acme~main", "acme~fees", "nobody", "no-one"];

#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) time: Timestamp,
}

/// What stands at an offset.
#[derive(Debug, Clone)]
pub(crate) enum Slot {
    Record(Record),
    /// The end of a transaction of Kafka's, committed or aborted: no reader is shown it.
    Marker,
}

/// One partition: what stands at its offsets from `start` on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stream {
    pub(crate) start: Offset,
    slots: Vec<Slot>,
}

#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) streams: [Stream; PARTITIONS as usize],
    /// What the door has told its clients.
    pub(crate) accepted: Vec<TransactionId>,
    /// How far the broker's clock is from the true time, in milliseconds.
    pub(crate) skew_ms: i64,
}

impl Log {
    /// Appends a command as the door does, and tells its client.
    pub(crate) fn accept(&mut self, rng: &mut Rng, now: Timestamp) {
        let (partition, account, record) = self.next_command(rng, now);
        let offset = self.push(partition, record);
        self.accepted.push(TransactionId { account, position: position(partition, offset) });
    }

    /// Appends a command to another partition than its account's, as only somebody else than the door does.
    pub(crate) fn misplace(&mut self, rng: &mut Rng, now: Timestamp) {
        let (partition, _, record) = self.next_command(rng, now);
        self.push((partition + 1) % PARTITIONS, record);
    }

    fn next_command(&self, rng: &mut Rng, now: Timestamp) -> (Partition, AccountId, Record) {
        let account: AccountId = pick(rng, &ACCOUNTS).parse().expect("an account id");
        let partition = PLACEMENT.partition_of(&account);
        let command = self.command(rng, partition, account.clone());
        let record = Record {
            key: account.group().into(),
            value: encode(&command, PLACEMENT.generation),
            time: Timestamp::from_epoch_ms(now.epoch_ms() + self.skew_ms),
        };
        (partition, account, record)
    }

    /// Appends bytes that nobody can read.
    pub(crate) fn write_junk(&mut self, rng: &mut Rng, now: Timestamp) {
        let partition = rng.u16(..PARTITIONS);
        let value = pick(rng, &["[1,1,null]", "\u{feff}{}", "{\"v\":2}", ""]).as_bytes().to_vec();
        let time = Timestamp::from_epoch_ms(now.epoch_ms() + self.skew_ms);
        self.push(partition, Record { key: b"alice".to_vec(), value, time });
    }

    /// Ends a transaction.
    pub(crate) fn mark(&mut self, rng: &mut Rng) {
        let partition = rng.u16(..PARTITIONS);
        self.streams[usize::from(partition)].slots.push(Slot::Marker);
    }

    /// Loses what stands before an offset.
    pub(crate) fn truncate(&mut self, partition: Partition, start: Offset) {
        let stream = &mut self.streams[usize::from(partition)];
        let gone = start.saturating_sub(stream.start).min(stream.slots.len() as Offset);
        stream.slots.drain(..gone as usize);
        stream.start += gone;
    }

    /// Begins anew, empty, and tells nobody.
    pub(crate) fn recreate(&mut self) {
        self.streams = Default::default();
    }

    fn push(&mut self, partition: Partition, record: Record) -> Offset {
        let stream = &mut self.streams[usize::from(partition)];
        stream.slots.push(Slot::Record(record));
        stream.end() - 1
    }

    fn command(&self, rng: &mut Rng, partition: Partition, account: AccountId) -> NewCommand {
        let kind = if account.as_str().starts_with("no") { rng.u8(3..8) } else { rng.u8(..10) };
        let amount = rng.u32(1..60);
        let id = TransactionId { account: account.clone(), position: self.earlier(rng, partition) };
        let of = |fields: String| format!(r#"{{"account":"{account}",{fields}}}"#);
        let money = format!(r#""amount":{amount},"currency":"{}""#, if rng.u8(..20) == 0 { "USD" } else { "EUR" });
        let body = match kind {
            0..3 | 8 => of(format!(r#""type":"deposit",{money}"#)),
            3 => of(format!(r#""type":"withdrawal",{money}"#)),
            4 | 5 => {
                let seconds = rng.u32(1..90);
                of(format!(r#""type":"withdrawal_request",{money},"expires_in_seconds":{seconds}"#))
            }
            6 => of(format!(r#""type":"release","request":"{id}""#)),
            _ => of(format!(r#""type":"withdrawal",{money},"request":"{id}","final":{}"#, rng.bool())),
        };
        let mut command = NewCommand::from_body(body.as_bytes()).expect("a command");
        if rng.u8(..4) == 0 {
            command.idempotency_key = Some(pick(rng, &["k1", "k2"]).parse().expect("a key"));
        }
        command
    }

    /// Some position of a partition, as a rule of a command that is there, and mostly of a new one.
    fn earlier(&self, rng: &mut Rng, partition: Partition) -> Position {
        let end = self.end(partition);
        let start = if rng.u8(..4) == 0 { 0 } else { end.saturating_sub(30) };
        position(partition, rng.u64(start..end + 2))
    }

    /// The offset that the next record of a partition gets.
    pub(crate) fn end(&self, partition: Partition) -> Offset {
        self.streams[usize::from(partition)].end()
    }

    /// The records of a partition from an offset on, at most so many, as a reader is shown them.
    pub(crate) fn read(&self, partition: Partition, from: Offset, most: usize) -> Vec<(Offset, Record)> {
        let records = self.streams[usize::from(partition)].records(from);
        records.map(|(offset, record)| (offset, record.clone())).take(most).collect()
    }

    /// The commands that a partition has for its accounts, in its order, each with the partition's time when it came: no record's is later.
    pub(crate) fn commands(&self, partition: Partition) -> Vec<Command> {
        let mut latest = Timestamp::from_epoch_ms(0);
        let read = |(offset, record): (Offset, Record)| {
            latest = latest.max(record.time);
            let place = Place { partition, offset, recorded_at: latest };
            let command = decode(place, Some(&record.key), Some(&record.value)).ok()?;
            (PLACEMENT.partition_of(&command.account) == partition).then_some(command)
        };
        self.read(partition, 0, usize::MAX).into_iter().filter_map(read).collect()
    }
}

pub(crate) fn position(partition: Partition, offset: Offset) -> Position {
    Position::new(PLACEMENT.generation, partition, offset).expect("a simulated offset is small")
}

impl Stream {
    pub(crate) fn end(&self) -> Offset {
        self.start + self.slots.len() as Offset
    }

    /// What stands at an offset and after.
    pub(crate) fn slots(&self, from: Offset) -> impl Iterator<Item = (Offset, &Slot)> {
        let skipped = from.saturating_sub(self.start) as usize;
        (self.start..).zip(&self.slots).skip(skipped)
    }

    pub(crate) fn records(&self, from: Offset) -> impl Iterator<Item = (Offset, &Record)> {
        self.slots(from).filter_map(|(offset, slot)| match slot {
            Slot::Record(record) => Some((offset, record)),
            Slot::Marker => None,
        })
    }
}

impl Record {
    /// The account that it names, whatever becomes of it.
    pub(crate) fn account(&self) -> Option<AccountId> {
        named_account(Some(&self.key), Some(&self.value))
    }
}

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}
