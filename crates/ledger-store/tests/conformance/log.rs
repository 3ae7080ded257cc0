//! Writes the commands of one partition, as a broker would stamp them.

use ledger::{Action, Amount, Command, Generation, Idempotency, Money, Offset, Partition, Position, Timestamp};
use ledger_store::{DeadLetter, LogRecord, PartitionBatch};

pub(crate) const TOPIC: &str = "passbook.commands";
pub(crate) const START: i64 = 1_750_000_000_000;

pub(crate) struct Log {
    pub(crate) partition: Partition,
    pub(crate) generation: Generation,
    pub(crate) next: Offset,
    /// The broker's clock; a second passes with each record.
    pub(crate) now: i64,
}

pub(crate) fn money(amount: i64) -> Money {
    Money { amount: Amount::new(amount).unwrap(), currency: "EUR".parse().unwrap() }
}

/// The request that stands in a record.
pub(crate) fn position(record: &LogRecord) -> Position {
    command(record).position
}

pub(crate) fn command(record: &LogRecord) -> &Command {
    match record {
        LogRecord::Command(command) => command,
        LogRecord::Unreadable(letter) => panic!("{letter:?} is no command"),
    }
}

/// A command set aside unread, as the settler does it with one of a generation that is over.
pub(crate) fn set_aside(record: &LogRecord) -> LogRecord {
    let LogRecord::Command(Command { position, recorded_at, account, .. }) = record else { return record.clone() };
    LogRecord::Unreadable(DeadLetter {
        offset: position.offset(),
        recorded_at: *recorded_at,
        key: Some(account.as_str().into()),
        value: Some(b"{}".to_vec()),
        accepted_as: Some(*position),
        why: "its generation is over".to_owned(),
    })
}

pub(crate) fn with_key(record: LogRecord, key: &str, body: u8) -> LogRecord {
    let LogRecord::Command(command) = record else { panic!("an unreadable record has no key") };
    let idempotency = Some(Idempotency { key: key.parse().unwrap(), fingerprint: [body; 32] });
    LogRecord::Command(Command { idempotency, ..command })
}

pub(crate) fn batch(partition: Partition, records: &[LogRecord]) -> PartitionBatch {
    PartitionBatch { topic: TOPIC.to_owned(), partition, records: records.to_vec() }
}

impl Log {
    pub(crate) fn of(partition: Partition) -> Self {
        Self { partition, generation: 1, next: 0, now: START }
    }

    pub(crate) fn push(&mut self, account: &str, action: Action) -> LogRecord {
        LogRecord::Command(Command {
            position: self.take_position(),
            recorded_at: Timestamp::from_epoch_ms(self.now),
            account: account.parse().unwrap(),
            action,
            reference: Some(format!("at {}", self.next).parse().unwrap()),
            idempotency: None,
        })
    }

    pub(crate) fn deposit(&mut self, account: &str, amount: i64) -> LogRecord {
        self.push(account, Action::Deposit(money(amount)))
    }

    pub(crate) fn deposits(&mut self, account: &str, count: usize) -> Vec<LogRecord> {
        (0..count).map(|_| self.deposit(account, 1)).collect()
    }

    pub(crate) fn withdrawal(&mut self, account: &str, amount: i64) -> LogRecord {
        self.push(account, Action::Withdrawal(money(amount)))
    }

    pub(crate) fn request(&mut self, account: &str, amount: i64, expires_in_seconds: u32) -> LogRecord {
        self.push(account, Action::WithdrawalRequest { money: money(amount), expires_in_seconds })
    }

    pub(crate) fn capture(&mut self, account: &str, request: Position, amount: i64) -> LogRecord {
        self.push(account, Action::Capture { request, money: money(amount), is_final: true })
    }

    pub(crate) fn release(&mut self, account: &str, request: Position) -> LogRecord {
        self.push(account, Action::Release { request })
    }

    pub(crate) fn unreadable(&mut self, key: &str) -> LogRecord {
        let offset = self.take_position().offset();
        LogRecord::Unreadable(DeadLetter {
            offset,
            recorded_at: Timestamp::from_epoch_ms(self.now),
            key: Some(key.as_bytes().to_vec()),
            value: Some(b"\xff not JSON".to_vec()),
            accepted_as: None,
            why: format!("offset {offset} is not UTF-8"),
        })
    }

    pub(crate) fn clock(&self) -> Timestamp {
        Timestamp::from_epoch_ms(self.now)
    }

    fn take_position(&mut self) -> Position {
        let position = Position::new(self.generation, self.partition, self.next).unwrap();
        self.next += 1;
        self.now += 1_000;
        position
    }
}
