//! What each record of a prefix comes to: a command to be settled, or a dead letter. Here, and nowhere else, is made sure
//! that every record has one outcome.

use std::num::NonZeroU16;

use ledger::{Command, Generation, Outcome, Partition, Position, partition_of};

use crate::batch::{Applied, AppliedOutcome, Content, DeadLetter, LogRecord};
use crate::error::ApplyFailure;

/// Why a command of a generation that is over is not applied: its id, which the client holds, names another log.
const STALE: &str = "the command was written for a generation of the topic that is over, by an `api` running since before \
                     the topic was created anew; nothing of it was applied";

/// Why a command that stands in another partition than its account's is not applied: it is in no order with the account's
/// other commands, and settled with another clock.
fn misplaced(should_be: Partition, partitions: NonZeroU16) -> String {
    format!(
        "the record stands in the wrong partition: of the {partitions} that the generation has, the commands of its account stand in {should_be}; nothing of it was applied"
    )
}

/// Records that have not been applied before, and what is to become of each.
pub(super) struct Decided<'a> {
    records: &'a [LogRecord],
    partition: Partition,
    generation: Generation,
    fates: Vec<Fate<'a>>,
}

enum Fate<'a> {
    ToSettle(&'a Command),
    /// Boxed, since there is seldom one and it is ten times as large as the other.
    SetAside(Box<DeadLetter>),
}

impl<'a> Decided<'a> {
    /// `partitions` is how many the generation has, where that is known.
    pub(super) fn all(
        records: &'a [LogRecord],
        partition: Partition,
        generation: Generation,
        partitions: Option<NonZeroU16>,
    ) -> Self {
        let fate = |record: &'a LogRecord| match &record.content {
            Content::Unreadable { why, .. } => Fate::set_aside(record, None, why),
            Content::Command(command) if command.position.generation() != generation => {
                Fate::set_aside(record, Some(command.position), STALE)
            }
            Content::Command(command) => match misplacement(command, partition, partitions) {
                Some(why) => Fate::set_aside(record, None, &why),
                None => Fate::ToSettle(command),
            },
        };
        Self { records, partition, generation, fates: records.iter().map(fate).collect() }
    }

    /// Whether there is nothing to decide.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The commands that are to be settled, in the order of the log.
    pub(super) fn commands(&self) -> Vec<&'a Command> {
        self.fates.iter().filter_map(Fate::to_settle).collect()
    }

    /// The same, each with the time of the partition when it came: that of a record which is set aside counts, too. The
    /// fence keeps it as well, so that the log gives the same books however it is cut.
    pub(super) fn timed_commands(&self) -> impl Iterator<Item = Command> {
        let mut latest = None;
        self.records.iter().zip(&self.fates).filter_map(move |(record, fate)| {
            latest = latest.max(Some(record.recorded_at));
            Some(Command { recorded_at: latest?, ..fate.to_settle()?.clone() })
        })
    }

    /// What becomes of the records: `outcomes` has those of the commands, in order.
    ///
    /// # Errors
    /// When they are not one for each: no record may be left without an outcome.
    pub(super) fn in_order(self, outcomes: Vec<Outcome>) -> Result<Vec<AppliedOutcome>, ApplyFailure> {
        let mut outcomes = outcomes.into_iter();
        let mut applied = Vec::with_capacity(self.records.len());
        for (record, fate) in self.records.iter().zip(self.fates) {
            let position = record.position(self.generation, self.partition);
            let became = match fate {
                Fate::SetAside(letter) => Applied::Unreadable(*letter),
                Fate::ToSettle(_) => {
                    let outcome = outcomes.next().filter(|outcome| outcome.entry.position == position);
                    Applied::Settled(outcome.ok_or(ApplyFailure::OutcomeAstray(position))?)
                }
            };
            applied.push(AppliedOutcome { position, applied: became, redelivered: false });
        }
        match outcomes.next() {
            None => Ok(applied),
            Some(nobodys) => Err(ApplyFailure::OutcomeAstray(nobodys.entry.position)),
        }
    }
}

impl<'a> Fate<'a> {
    fn set_aside(record: &LogRecord, accepted_as: Option<Position>, why: &str) -> Self {
        Self::SetAside(Box::new(DeadLetter::of(record, accepted_as, why)))
    }

    const fn to_settle(&self) -> Option<&'a Command> {
        match self {
            Self::ToSettle(command) => Some(command),
            Self::SetAside(_) => None,
        }
    }
}

/// Why a command stands in no partition of its account, where it does.
fn misplacement(command: &Command, partition: Partition, partitions: Option<NonZeroU16>) -> Option<String> {
    let partitions = partitions?;
    let should_be = partition_of(command.account.group(), partitions);
    (should_be != partition).then(|| misplaced(should_be, partitions))
}

#[cfg(test)]
mod tests {
    use ledger::{
        Action, Amount, ContraAccount, ContraId, Money, Offset, Policy, Position, Timestamp, Worksheet, settle,
    };

    use super::*;

    fn record(offset: Offset, content: Content) -> LogRecord {
        let (recorded_at, key, value) = (Timestamp::from_epoch_ms(0), Some(b"alice".to_vec()), Some(b"{}".to_vec()));
        LogRecord { offset, recorded_at, stamped_by_broker: true, key, value, content }
    }

    fn command(generation: Generation, offset: Offset) -> LogRecord {
        let money = Money { amount: Amount::new(1).unwrap(), currency: "EUR".parse().unwrap() };
        let command = Command {
            position: Position::new(generation, 0, offset).unwrap(),
            recorded_at: Timestamp::from_epoch_ms(0),
            account: "alice".parse().unwrap(),
            action: Action::Deposit(money),
            reference: None,
            idempotency: None,
        };
        record(offset, Content::Command(command))
    }

    /// Two commands of generation 2 around one of generation 1 and one that nobody can read.
    fn records() -> Vec<LogRecord> {
        vec![
            command(2, 0),
            command(1, 1),
            record(2, Content::Unreadable { why: "no JSON".to_owned(), account: None }),
            command(2, 3),
        ]
    }

    fn outcomes(decided: &Decided<'_>) -> Vec<Outcome> {
        let mut worksheet =
            Worksheet::new(Policy::default(), 0, Timestamp::from_epoch_ms(0), Timestamp::from_epoch_ms(0));
        worksheet.add_absent_account("alice".parse().unwrap());
        worksheet.add_contra(ContraAccount::open(ContraId { currency: "EUR".parse().unwrap(), partition: 0 }));
        settle(&mut worksheet, decided.commands().into_iter().cloned()).unwrap()
    }

    #[test]
    fn every_record_has_its_outcome_in_the_order_of_the_log() {
        let records = records();
        let decided = Decided::all(&records, 0, 2, None);
        let outcomes = outcomes(&decided);
        let applied = decided.in_order(outcomes).unwrap();
        assert_eq!(applied.iter().map(|applied| applied.position.offset()).collect::<Vec<_>>(), [0, 1, 2, 3]);
        let letters: Vec<_> = applied.iter().map(|applied| matches!(applied.applied, Applied::Unreadable(_))).collect();
        assert_eq!(letters, [false, true, true, false]);
    }

    #[test]
    fn a_command_of_a_generation_that_is_over_is_set_aside_with_its_bytes_and_its_id() {
        let records = records();
        let decided = Decided::all(&records, 0, 2, None);
        let outcomes = outcomes(&decided);
        let applied = decided.in_order(outcomes).unwrap();
        let letters: Vec<_> = applied.iter().filter_map(AppliedOutcome::dead_letter).collect();
        let [(stands_at, stale), (_, unreadable)] = letters.as_slice() else { panic!("{letters:?}") };
        assert_eq!((stands_at.generation(), stale.accepted_as), (2, Some(Position::new(1, 0, 1).unwrap())));
        assert_eq!((&stale.key, &stale.value), (&records[1].key, &records[1].value));
        assert!(stale.why.contains("a generation of the topic that is over"), "{}", stale.why);
        assert_eq!((unreadable.accepted_as, unreadable.why.as_str()), (None, "no JSON"));
    }

    #[test]
    fn a_command_in_another_partition_than_its_accounts_is_set_aside() {
        let records = records();
        for partitions in (1..=8).filter_map(NonZeroU16::new) {
            let decided = Decided::all(&records, 0, 2, Some(partitions));
            let should_be = partition_of("alice", partitions);
            let is_letter = |fate: &&Fate<'_>| fate.to_settle().is_none();
            let letters: Vec<_> = decided.fates.iter().filter(is_letter).collect();
            assert_eq!(decided.commands().len(), if should_be == 0 { 2 } else { 0 }, "{partitions}");
            assert_eq!(letters.len(), if should_be == 0 { 2 } else { 4 }, "{partitions}");
            if let (Some(Fate::SetAside(letter)), true) = (decided.fates.first(), should_be != 0) {
                let says_where = format!("stand in {should_be}; nothing of it was applied");
                assert!(letter.why.ends_with(&says_where), "{}", letter.why);
            }
        }
    }

    #[test]
    fn a_record_without_an_outcome_or_an_outcome_without_a_record_fails_the_batch() {
        let records = records();
        let [first, last] = outcomes(&Decided::all(&records, 0, 2, None)).try_into().unwrap();
        for (outcomes, from) in [
            (vec![], 0),
            (vec![first.clone()], 3),
            (vec![last.clone()], 0),
            (vec![last.clone(), first.clone()], 0),
            (vec![first.clone(), first.clone()], 3),
            (vec![first.clone(), last, first], 0),
        ] {
            let failure = Decided::all(&records, 0, 2, None).in_order(outcomes).unwrap_err();
            assert!(!failure.retry_helps());
            assert!(matches!(failure, ApplyFailure::OutcomeAstray(at) if at.offset() == from), "{failure}, not {from}");
        }
    }
}
