//! What goes into [`apply`](crate::Settling::apply) and what comes out.

use std::ops::Range;

use ledger::{AccountId, Command, Generation, Offset, Outcome, Partition, Position, Timestamp, TransactionId};

use crate::error::ApplyError;

/// Records of one partition, in the order of the log.
#[derive(Debug, Clone)]
pub struct PartitionBatch {
    pub topic: String,
    pub partition: Partition,
    pub records: Vec<LogRecord>,
    /// Offsets at which the log says that no record stands for a reader, in order: the markers of Kafka's transactions, and
    /// what was aborted. The fence steps over them.
    pub voids: Vec<Range<Offset>>,
}

/// A record of the log, with its bytes: until the store has decided, it may turn out to be one to set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    pub offset: Offset,
    pub recorded_at: Timestamp,
    /// Whether that time is the broker's own (`LogAppendTime`), or its writer's.
    pub stamped_by_broker: bool,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub content: Content,
}

/// What the bytes of a record say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Command(Command),
    /// Nobody can read them as a command.
    Unreadable {
        /// A sentence for the operator, and for whoever asks after the transaction.
        why: String,
        /// The account that they name all the same. Without one, no client was ever told an id for the record.
        account: Option<AccountId>,
    },
}

/// A record that is set aside with its bytes: nobody can read it, or its generation is over. It never blocks its partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub offset: Offset,
    pub recorded_at: Timestamp,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// The account that it names. Without one, no client was ever told an id for it.
    pub account: Option<AccountId>,
    /// The position that its client was told, where that is not where it stands: an `api` that had not heard of a new
    /// generation wrote it.
    pub accepted_as: Option<Position>,
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

/// How far the outcomes of a partition are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub topic: String,
    pub partition: Partition,
    pub generation: Generation,
    /// Every outcome before this offset is.
    pub before: Offset,
}

/// What became of a batch.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// One for each record that is applied, in the order of the log, from the first record on.
    pub outcomes: Vec<AppliedOutcome>,
    /// Offsets before the batch that were applied and whose outcomes nobody has said to be published. They may have been.
    pub unpublished: Option<Range<Offset>>,
    /// Why the records after those are not applied; nothing where all are.
    pub failure: Option<ApplyError>,
}

impl Report {
    /// The outcomes, where every record has one.
    ///
    /// # Errors
    /// Why some have none.
    pub fn whole(self) -> Result<Vec<AppliedOutcome>, ApplyError> {
        match self.failure {
            None => Ok(self.outcomes),
            Some(failure) => Err(failure),
        }
    }
}

impl DeadLetter {
    /// The id that its client was told; `position` is where it stands.
    pub fn id(&self, position: Position) -> Option<TransactionId> {
        Some(TransactionId { account: self.account.clone()?, position: self.accepted_as.unwrap_or(position) })
    }

    pub(crate) fn of(record: &LogRecord, accepted_as: Option<Position>, why: &str) -> Self {
        let LogRecord { offset, recorded_at, ref key, ref value, .. } = *record;
        let (key, value, account) = (key.clone(), value.clone(), record.account().cloned());
        Self { offset, recorded_at, key, value, account, accepted_as, why: why.to_owned() }
    }
}

impl Applied {
    /// Whether this can be what became of the record: it is of the same command or the same bytes. Where one version of this
    /// program could read the record and the other could not, only the bytes that were kept can tell.
    pub(crate) fn is_of(&self, record: &LogRecord) -> bool {
        match (self, &record.content) {
            (Self::Settled(outcome), Content::Command(command)) => outcome.is_of(command),
            (Self::Settled(_), Content::Unreadable { .. }) => true,
            (Self::Unreadable(letter), _) => letter.key == record.key && letter.value == record.value,
        }
    }
}

impl AppliedOutcome {
    /// The outcome that stands in no account's book.
    pub(crate) fn unbooked(&self) -> Option<&Outcome> {
        match &self.applied {
            Applied::Settled(outcome) if !outcome.is_booked() => Some(outcome),
            Applied::Settled(_) | Applied::Unreadable(_) => None,
        }
    }

    /// The record as it is set aside, and where it stands.
    pub(crate) fn dead_letter(&self) -> Option<(Position, DeadLetter)> {
        match &self.applied {
            Applied::Unreadable(letter) => Some((self.position, letter.clone())),
            Applied::Settled(_) => None,
        }
    }
}

impl LogRecord {
    /// The generation the record says it is of; an unreadable one does not say.
    pub(crate) const fn generation(&self) -> Option<Generation> {
        match &self.content {
            Content::Command(command) => Some(command.position.generation()),
            Content::Unreadable { .. } => None,
        }
    }

    pub(crate) const fn command(&self) -> Option<&Command> {
        match &self.content {
            Content::Command(command) => Some(command),
            Content::Unreadable { .. } => None,
        }
    }

    /// Where the record stands: in the partition's generation, whichever it says it is of.
    pub(crate) fn position(&self, generation: Generation, partition: Partition) -> Position {
        Position::new(generation, partition, self.offset)
            .expect("a batch whose offsets no position holds is refused before it is read")
    }

    /// The account that the record is of. One that is unreadable today may have been read by another version of this
    /// program, under the account that it names.
    pub(crate) const fn account(&self) -> Option<&AccountId> {
        match &self.content {
            Content::Command(command) => Some(&command.account),
            Content::Unreadable { account, .. } => account.as_ref(),
        }
    }

    pub(crate) fn id_at(&self, position: Position) -> Option<TransactionId> {
        Some(TransactionId { account: self.account()?.clone(), position })
    }
}
