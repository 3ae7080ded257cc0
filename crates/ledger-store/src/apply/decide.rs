//! What each record of a prefix comes to: a command to be settled, or a dead letter. Here, and nowhere else, is made sure
//! that every record has one outcome.

use ledger::{Command, Generation, Outcome, Partition};

use crate::batch::{Applied, AppliedOutcome, Content, DeadLetter, LogRecord};
use crate::error::ApplyFailure;

/// Why a command of a generation that is over is not applied: its id, which the client holds, names another log.
const STALE: &str = "the command was written for a generation of the topic that is over, by an `api` running since before \
                     the topic was created anew; nothing of it was applied";

/// Records that have not been applied before, and what is to become of each.
pub(super) struct Decided<'a> {
    records: &'a [LogRecord],
    partition: Partition,
    generation: Generation,
}

impl<'a> Decided<'a> {
    pub(super) const fn all(records: &'a [LogRecord], partition: Partition, generation: Generation) -> Self {
        Self { records, partition, generation }
    }

    /// The commands that are to be settled, in the order of the log.
    pub(super) fn commands(&self) -> Vec<&'a Command> {
        self.records.iter().filter_map(|record| self.command(record)).collect()
    }

    /// The same, each with the time of the partition when it came: that of a record which is set aside counts, too. The
    /// fence keeps it as well, so that the log gives the same books however it is cut.
    pub(super) fn timed_commands(&self) -> impl Iterator<Item = Command> {
        let mut latest = None;
        self.records.iter().filter_map(move |record| {
            latest = latest.max(Some(record.recorded_at));
            Some(Command { recorded_at: latest?, ..self.command(record)?.clone() })
        })
    }

    fn command<'r>(&self, record: &'r LogRecord) -> Option<&'r Command> {
        record.command().filter(|command| command.position.generation() == self.generation)
    }

    /// The record as it is set aside; nothing for a command that is to be settled.
    fn dead_letter(&self, record: &LogRecord) -> Option<DeadLetter> {
        match &record.content {
            Content::Unreadable(why) => Some(DeadLetter::of(record, None, why)),
            Content::Command(command) if command.position.generation() == self.generation => None,
            Content::Command(command) => Some(DeadLetter::of(record, Some(command.position), STALE)),
        }
    }

    /// What becomes of the records: `outcomes` has those of the commands, in order.
    ///
    /// # Errors
    /// When they are not one for each: no record may be left without an outcome.
    pub(super) fn in_order(&self, outcomes: Vec<Outcome>) -> Result<Vec<AppliedOutcome>, ApplyFailure> {
        let mut outcomes = outcomes.into_iter();
        let mut applied = Vec::with_capacity(self.records.len());
        for record in self.records {
            let position = record.position(self.generation, self.partition);
            let became = match self.dead_letter(record) {
                Some(letter) => Applied::Unreadable(letter),
                None => {
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
        vec![command(2, 0), command(1, 1), record(2, Content::Unreadable("no JSON".to_owned())), command(2, 3)]
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
        let decided = Decided::all(&records, 0, 2);
        let applied = decided.in_order(outcomes(&decided)).unwrap();
        assert_eq!(applied.iter().map(|applied| applied.position.offset()).collect::<Vec<_>>(), [0, 1, 2, 3]);
        let letters: Vec<_> = applied.iter().map(|applied| matches!(applied.applied, Applied::Unreadable(_))).collect();
        assert_eq!(letters, [false, true, true, false]);
    }

    #[test]
    fn a_command_of_a_generation_that_is_over_is_set_aside_with_its_bytes_and_its_id() {
        let records = records();
        let decided = Decided::all(&records, 0, 2);
        let applied = decided.in_order(outcomes(&decided)).unwrap();
        let letters: Vec<_> = applied.iter().filter_map(AppliedOutcome::dead_letter).collect();
        let [(stands_at, stale), (_, unreadable)] = letters.as_slice() else { panic!("{letters:?}") };
        assert_eq!((stands_at.generation(), stale.accepted_as), (2, Some(Position::new(1, 0, 1).unwrap())));
        assert_eq!((&stale.key, &stale.value), (&records[1].key, &records[1].value));
        assert!(stale.why.contains("a generation of the topic that is over"), "{}", stale.why);
        assert_eq!((unreadable.accepted_as, unreadable.why.as_str()), (None, "no JSON"));
    }

    #[test]
    fn a_record_without_an_outcome_or_an_outcome_without_a_record_fails_the_batch() {
        let records = records();
        let decided = Decided::all(&records, 0, 2);
        let [first, last] = outcomes(&decided).try_into().unwrap();
        for (outcomes, from) in [
            (vec![], 0),
            (vec![first.clone()], 3),
            (vec![last.clone()], 0),
            (vec![last.clone(), first.clone()], 0),
            (vec![first.clone(), first.clone()], 3),
            (vec![first.clone(), last, first], 0),
        ] {
            let failure = decided.in_order(outcomes).unwrap_err();
            assert!(!failure.retry_helps());
            assert!(matches!(failure, ApplyFailure::OutcomeAstray(at) if at.offset() == from), "{failure}, not {from}");
        }
    }
}
