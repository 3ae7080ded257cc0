//! Writes the commands of one partition, as a broker would stamp them.

use ledger::{
    AccountId, Action, Amount, Command, Generation, Idempotency, Money, Offset, Partition, Position, Timestamp,
};
use ledger_store::{Content, DeadLetter, LogRecord, PartitionBatch};

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
    match &record.content {
        Content::Command(command) => command,
        Content::Unreadable { why, .. } => panic!("{record:?} is no command: {why}"),
    }
}

/// The account that a record names.
fn account(record: &LogRecord) -> Option<AccountId> {
    match &record.content {
        Content::Command(command) => Some(command.account.clone()),
        Content::Unreadable { account, .. } => account.clone(),
    }
}

/// A record as it is set aside.
pub(crate) fn letter(record: &LogRecord, accepted_as: Option<Position>, why: &str) -> DeadLetter {
    let LogRecord { offset, recorded_at, key, value, .. } = record.clone();
    DeadLetter { offset, recorded_at, key, value, account: account(record), accepted_as, why: why.to_owned() }
}

pub(crate) fn with_key(record: LogRecord, key: &str, body: u8) -> LogRecord {
    let idempotency = Some(Idempotency { key: key.parse().unwrap(), fingerprint: [body; 32] });
    let content = Content::Command(Command { idempotency, ..command(&record).clone() });
    LogRecord { content, ..record }
}

pub(crate) fn batch(partition: Partition, records: &[LogRecord]) -> PartitionBatch {
    PartitionBatch { topic: TOPIC.to_owned(), partition, records: records.to_vec(), voids: Vec::new() }
}

impl Log {
    pub(crate) fn of(partition: Partition) -> Self {
        Self { partition, generation: 1, next: 0, now: START }
    }

    pub(crate) fn push(&mut self, account: &str, action: Action) -> LogRecord {
        let position = self.take_position();
        let recorded_at = self.clock();
        let command = Command {
            position,
            recorded_at,
            account: account.parse().unwrap(),
            action,
            reference: Some(format!("at {}", self.next).parse().unwrap()),
            idempotency: None,
        };
        let value = format!("{:?} {:?}", command.action, command.reference);
        record(command.position.offset(), recorded_at, account, value.as_bytes(), Content::Command(command))
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
        let recorded_at = self.clock();
        let content = unreadable(&format!("offset {offset} is not UTF-8"), key.parse().ok());
        record(offset, recorded_at, key, b"\xff not JSON", content)
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

fn record(offset: Offset, recorded_at: Timestamp, key: &str, value: &[u8], content: Content) -> LogRecord {
    let (key, value) = (Some(key.as_bytes().to_vec()), Some(value.to_vec()));
    LogRecord { offset, recorded_at, stamped_by_broker: true, key, value, content }
}

/// What another version of the program, which cannot read it, makes of a record.
pub(crate) fn unread(record: &LogRecord) -> LogRecord {
    LogRecord { content: unreadable("a version that is not known", account(record)), ..record.clone() }
}

fn unreadable(why: &str, account: Option<AccountId>) -> Content {
    Content::Unreadable { why: why.to_owned(), account }
}
