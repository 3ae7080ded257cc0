//! What goes into [`apply`](crate::Settling::apply) and what comes out.

use ledger::{AccountId, Command, Generation, Offset, Outcome, Partition, Position, Timestamp, TransactionId};

use crate::error::ApplyFailure;

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

impl DeadLetter {
    /// The account that its key names; without one, no client was ever told an id for it.
    pub fn account(&self) -> Option<AccountId> {
        std::str::from_utf8(self.key.as_deref()?).ok()?.parse().ok()
    }

    /// The id that its client was told; `position` is where it stands.
    pub fn id(&self, position: Position) -> Option<TransactionId> {
        Some(TransactionId { account: self.account()?, position: self.accepted_as.unwrap_or(position) })
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
                Some(TransactionId { account: letter.account()?, position: self.position_of(record, generation) })
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

    /// What becomes of records applied now: `outcomes` has those of the commands, in order.
    ///
    /// # Errors
    /// When they are not one for each: no record may be left without an outcome.
    pub(crate) fn in_order(
        &self,
        records: &[LogRecord],
        generation: Generation,
        outcomes: Vec<Outcome>,
    ) -> Result<Vec<AppliedOutcome>, ApplyFailure> {
        let mut outcomes = outcomes.into_iter();
        let mut applied = Vec::with_capacity(records.len());
        for record in records {
            let position = self.position_of(record, generation);
            let became = match record {
                LogRecord::Command(_) => {
                    let outcome = outcomes.next().filter(|outcome| outcome.entry.position == position);
                    Applied::Settled(outcome.ok_or(ApplyFailure::OutcomeAstray(position))?)
                }
                LogRecord::Unreadable(letter) => Applied::Unreadable(letter.clone()),
            };
            applied.push(AppliedOutcome { position, applied: became, redelivered: false });
        }
        match outcomes.next() {
            None => Ok(applied),
            Some(nobodys) => Err(ApplyFailure::OutcomeAstray(nobodys.entry.position)),
        }
    }
}

#[cfg(test)]
mod tests {
    use ledger::{Action, Amount, Book, Money, Policy, settle};

    use super::*;

    fn record(offset: Offset) -> LogRecord {
        let money = Money { amount: Amount::new(1).unwrap(), currency: "EUR".parse().unwrap() };
        LogRecord::Command(Command {
            position: Position::new(1, 0, offset).unwrap(),
            recorded_at: Timestamp::from_epoch_ms(0),
            account: "alice".parse().unwrap(),
            action: Action::Deposit(money),
            reference: None,
            idempotency: None,
        })
    }

    fn letter(offset: Offset) -> LogRecord {
        let (key, value, why) = (None, None, "unreadable".to_owned());
        let recorded_at = Timestamp::from_epoch_ms(0);
        LogRecord::Unreadable(DeadLetter { offset, recorded_at, key, value, accepted_as: None, why })
    }

    /// Two commands around a record that nobody can read, and the outcomes of the commands.
    fn settled() -> (PartitionBatch, Vec<Outcome>) {
        let records = vec![record(0), letter(1), record(2)];
        let mut book = Book::new(Policy::default(), 0, Timestamp::from_epoch_ms(0), Timestamp::from_epoch_ms(0));
        let outcomes = settle(&mut book, records.iter().filter_map(LogRecord::command).cloned());
        (PartitionBatch { topic: "passbook.commands".to_owned(), partition: 0, records }, outcomes)
    }

    #[test]
    fn every_record_has_its_outcome_in_the_order_of_the_log() {
        let (batch, outcomes) = settled();
        let applied = batch.in_order(&batch.records, 1, outcomes).unwrap();
        assert_eq!(applied.iter().map(|applied| applied.position.offset()).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(matches!(applied[1].applied, Applied::Unreadable(_)));
    }

    #[test]
    fn a_record_without_an_outcome_or_an_outcome_without_a_record_fails_the_batch() {
        let (batch, outcomes) = settled();
        let (first, last) = (outcomes[0].clone(), outcomes[1].clone());
        for (outcomes, from) in [
            (vec![], 0),
            (vec![first.clone()], 2),
            (vec![last.clone()], 0),
            (vec![last.clone(), first.clone()], 0),
            (vec![first.clone(), first.clone()], 2),
            (vec![first.clone(), last, first], 0),
        ] {
            let failure = batch.in_order(&batch.records, 1, outcomes).unwrap_err();
            assert!(!failure.retry_helps());
            assert!(matches!(failure, ApplyFailure::OutcomeAstray(at) if at.offset() == from), "{failure}, not {from}");
        }
    }
}
