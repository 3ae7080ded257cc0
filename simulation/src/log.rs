//! A model of the command topic.

use fastrand::Rng;
use ledger::{AccountId, Command, Generation, Offset, Partition, Position, Timestamp, TransactionId};
use ledger_wire::NewCommand;
use ledger_wire::record::{Place, decode, encode};

pub(crate) const PARTITIONS: Partition = 2;
pub(crate) const GENERATION: Generation = 1;
/// Two an account for each partition, and one that no deposit opens.
const ACCOUNTS: [[&str; 3]; 2] = [["alice", "bob", "nobody"], ["carol", "dave", "no-one"]];

#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) time: Timestamp,
}

#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) partitions: [Vec<Record>; PARTITIONS as usize],
    /// What the door has told its clients.
    pub(crate) accepted: Vec<TransactionId>,
    /// How far the broker's clock is from the true time, in milliseconds.
    pub(crate) skew_ms: i64,
}

impl Log {
    /// Appends a command as the door does, and tells its client.
    pub(crate) fn accept(&mut self, rng: &mut Rng, now: Timestamp) {
        let partition = rng.u16(..PARTITIONS);
        let account: AccountId = pick(rng, &ACCOUNTS[usize::from(partition)]).parse().expect("an account id");
        let command = self.command(rng, partition, account.clone());
        let record = Record {
            key: account.as_str().into(),
            value: encode(&command, GENERATION),
            time: Timestamp::from_epoch_ms(now.epoch_ms() + self.skew_ms),
        };
        let offset = self.push(partition, record);
        self.accepted.push(TransactionId { account, position: position(partition, offset) });
    }

    /// Appends bytes that nobody can read.
    pub(crate) fn write_junk(&mut self, rng: &mut Rng, now: Timestamp) {
        let partition = rng.u16(..PARTITIONS);
        let value = pick(rng, &["[1,1,null]", "\u{feff}{}", "{\"v\":2}", ""]).as_bytes().to_vec();
        let time = Timestamp::from_epoch_ms(now.epoch_ms() + self.skew_ms);
        self.push(partition, Record { key: b"alice".to_vec(), value, time });
    }

    fn push(&mut self, partition: Partition, record: Record) -> Offset {
        let records = &mut self.partitions[usize::from(partition)];
        records.push(record);
        records.len() as Offset - 1
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

    /// Some position of a partition, as a rule of a command that is there.
    fn earlier(&self, rng: &mut Rng, partition: Partition) -> Position {
        let end = self.partitions[usize::from(partition)].len() as Offset;
        position(partition, rng.u64(..end + 2))
    }

    /// The records of a partition from an offset on, at most so many.
    pub(crate) fn read(&self, partition: Partition, from: Offset, most: usize) -> Vec<(Offset, Record)> {
        let records = self.partitions[usize::from(partition)].iter().zip(0..).skip(from as usize);
        records.map(|(record, offset)| (offset, record.clone())).take(most).collect()
    }

    /// The commands of a partition, in its order, each with the partition's time when it came: no record's is later.
    pub(crate) fn commands(&self, partition: Partition) -> Vec<Command> {
        let mut latest = Timestamp::from_epoch_ms(0);
        let read = |(offset, record): (Offset, Record)| {
            latest = latest.max(record.time);
            let place = Place { partition, offset, recorded_at: latest };
            decode(place, Some(&record.key), Some(&record.value)).ok()
        };
        self.read(partition, 0, usize::MAX).into_iter().filter_map(read).collect()
    }
}

pub(crate) fn position(partition: Partition, offset: Offset) -> Position {
    Position::new(GENERATION, partition, offset).expect("a simulated offset is small")
}

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}
