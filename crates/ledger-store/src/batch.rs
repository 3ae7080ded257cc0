//! What goes into [`apply`](crate::Settling::apply) and what comes out.

use ledger::{Command, Generation, Offset, Outcome, Partition, Position, Timestamp, TransactionId};

/// Consecutive records of one partition, in the order of the log.
#[derive(Debug, Clone)]
pub struct PartitionBatch {
    pub topic: String,
    pub partition: Partition,
    pub records: Vec<LogRecord>,
}

/// A record of the log: a command, or bytes that nobody can read as one.
#[derive(Debug, Clone)]
pub enum LogRecord {
    Command(Command),
    Unreadable(DeadLetter),
}

/// A record that nobody can read. It is set aside with its bytes and never blocks its partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub offset: Offset,
    pub recorded_at: Timestamp,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// A sentence for the operator, and for whoever asks after the transaction.
    pub why: String,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedOutcome {
    pub position: Position,
    pub applied: Applied,
    /// The record had been applied before; this is what became of it then.
    pub redelivered: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    Settled(Outcome),
    Unreadable(DeadLetter),
}

impl LogRecord {
    pub const fn offset(&self) -> Offset {
        match self {
            Self::Command(command) => command.position.offset(),
            Self::Unreadable(letter) => letter.offset,
        }
    }

    pub const fn recorded_at(&self) -> Timestamp {
        match self {
            Self::Command(command) => command.recorded_at,
            Self::Unreadable(letter) => letter.recorded_at,
        }
    }

    /// The generation the record says it is of; an unreadable one does not say.
    pub const fn generation(&self) -> Option<Generation> {
        match self {
            Self::Command(command) => Some(command.position.generation()),
            Self::Unreadable(_) => None,
        }
    }

    pub(crate) const fn command(&self) -> Option<&Command> {
        match self {
            Self::Command(command) => Some(command),
            Self::Unreadable(_) => None,
        }
    }
}

impl PartitionBatch {
    /// Where a record stands. An unreadable one does not say of which generation it is: it is of the partition's.
    pub(crate) fn position_of(&self, record: &LogRecord, generation: Generation) -> Position {
        match record {
            LogRecord::Command(command) => command.position,
            LogRecord::Unreadable(letter) => Position::new(generation, self.partition, letter.offset)
                .expect("a batch whose offsets no position holds is refused before it is read"),
        }
    }

    /// The id of a record. One that is unreadable today may have been read by another version of this program, under
    /// the account that its key names.
    pub(crate) fn id_of(&self, record: &LogRecord, generation: Generation) -> Option<TransactionId> {
        match record {
            LogRecord::Command(command) => Some(command.id()),
            LogRecord::Unreadable(letter) => {
                let account = std::str::from_utf8(letter.key.as_deref()?).ok()?.parse().ok()?;
                Some(TransactionId { account, position: self.position_of(record, generation) })
            }
        }
    }

    pub(crate) fn dead_letters<'b>(
        &self,
        records: &'b [LogRecord],
        generation: Generation,
    ) -> Vec<(Position, &'b DeadLetter)> {
        let letter = |record: &'b LogRecord| match record {
            LogRecord::Unreadable(letter) => Some((self.position_of(record, generation), letter)),
            LogRecord::Command(_) => None,
        };
        records.iter().filter_map(letter).collect()
    }

    /// What became of records applied now: `outcomes` has those of the commands, in order.
    pub(crate) fn in_order(
        &self,
        records: &[LogRecord],
        generation: Generation,
        outcomes: Vec<Outcome>,
    ) -> Vec<AppliedOutcome> {
        let mut outcomes = outcomes.into_iter();
        let applied = |record: &LogRecord| {
            let applied = match record {
                LogRecord::Command(_) => Applied::Settled(outcomes.next()?),
                LogRecord::Unreadable(letter) => Applied::Unreadable(letter.clone()),
            };
            Some(AppliedOutcome { position: self.position_of(record, generation), applied, redelivered: false })
        };
        records.iter().filter_map(applied).collect()
    }
}
