//! When partitions change hands: a pure core.
//!
//! The group asks one thing of a poller at a time, and goes on with its rebalance when that is answered. Partitions that
//! are offered are taken once the group has in writing where they begin, so that the next owner begins there, too.
//! Partitions that are recalled are given back once no invocation with records of them is running and all that is settled
//! of them is committed, so that the next owner neither runs beside it nor runs it again.
//!
//! Bounds: a recall is answered by a given time, for after that the group goes on without an answer; and when it has done so
//! whatever it asked is answered at once.

use std::time::Instant;

use super::batcher::Batcher;
use super::checkpoint::Checkpoint;
use super::record::Partition;

/// What the group waits for.
#[derive(Debug, Default)]
pub struct Handover {
    asked: Asked,
    /// Counts what was asked: what is found out for an earlier offer, or fails after an earlier question, does not matter any
    /// more.
    questions: u64,
}

#[derive(Debug, Default)]
enum Asked {
    #[default]
    Nothing,
    /// To take partitions, of which is being found out where they begin.
    Offer,
    /// To take partitions whose beginnings are in the checkpoint.
    Take(Vec<Partition>),
    /// To give partitions back, by this time.
    GiveBack(Vec<Partition>, Instant),
    /// Something that the group does not wait for any more.
    TooLate(Answer),
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The partitions are taken.
    Take(Vec<Partition>),
    /// None of those offered is taken; these have their beginnings in the checkpoint.
    Decline(Vec<Partition>),
    /// The partitions are given back.
    GiveBack(Vec<Partition>),
}

impl Handover {
    /// Partitions are offered, and where they begin is yet to be found out. Returns the number of the offer.
    pub fn offered(&mut self) -> u64 {
        self.questions += 1;
        self.asked = Asked::Offer;
        self.questions
    }

    /// It was found out. `false`: that offer does not stand any more.
    pub fn located(&mut self, offer: u64, partitions: Vec<Partition>) -> bool {
        let stands = offer == self.questions && matches!(self.asked, Asked::Offer);
        if stands {
            self.asked = Asked::Take(partitions);
        }
        stands
    }

    /// Partitions are recalled.
    pub fn recalled(&mut self, partitions: Vec<Partition>, until: Instant) {
        self.questions += 1;
        self.asked = Asked::GiveBack(partitions, until);
    }

    /// The number of what the group asked last.
    #[must_use]
    pub fn last_question(&self) -> u64 {
        self.questions
    }

    /// A commit that was sent after a question failed since the group has gone on without this member. That says nothing of
    /// what it has asked since: it is a member again, and its group waits.
    pub fn left_behind(&mut self, question: u64) {
        if question == self.questions {
            self.given_up();
        }
    }

    /// The group has gone on without an answer, or nobody will be there to give one.
    pub fn given_up(&mut self) {
        self.asked = match std::mem::take(&mut self.asked) {
            Asked::Offer => Asked::TooLate(Answer::Decline(vec![])),
            Asked::Take(partitions) => Asked::TooLate(Answer::Decline(partitions)),
            Asked::GiveBack(partitions, _) => Asked::TooLate(Answer::GiveBack(partitions)),
            as_it_is => as_it_is,
        };
    }

    /// The answer, when it is due. It is given once.
    pub fn answer(&mut self, batcher: &Batcher, checkpoint: &Checkpoint, now: Instant) -> Option<Answer> {
        let is_committed = |partition: &Partition| checkpoint.is_committed(*partition);
        let is_done = |partition: &Partition| is_committed(partition) && !batcher.is_invoked(*partition);
        match std::mem::take(&mut self.asked) {
            Asked::Take(partitions) if partitions.iter().all(is_committed) => Some(Answer::Take(partitions)),
            Asked::GiveBack(partitions, until) if now >= until || partitions.iter().all(is_done) => {
                Some(Answer::GiveBack(partitions))
            }
            Asked::TooLate(answer) => Some(answer),
            not_yet => {
                self.asked = not_yet;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event_source::batcher::Limits;

    fn world() -> (Handover, Batcher, Checkpoint, Instant) {
        let limits = Limits { records: 1, bytes: 100, overhead: 0, partition_overhead: 0, window: Duration::ZERO };
        let now = Instant::now();
        (Handover::default(), Batcher::new(limits, now), Checkpoint::default(), now)
    }

    #[test]
    fn an_offer_is_taken_when_its_beginnings_are_committed() {
        let (mut handover, batcher, mut checkpoint, now) = world();
        let offer = handover.offered();
        assert_eq!(handover.answer(&batcher, &checkpoint, now), None);
        assert!(handover.located(offer, vec![0, 1]));
        checkpoint.begins(1, 7);
        checkpoint.take();
        assert_eq!(handover.answer(&batcher, &checkpoint, now), None, "sent is not committed");
        checkpoint.committed();
        assert_eq!(handover.answer(&batcher, &checkpoint, now), Some(Answer::Take(vec![0, 1])));
        assert_eq!(handover.answer(&batcher, &checkpoint, now), None, "it is given once");
    }

    #[test]
    fn an_offer_that_does_not_stand_any_more_is_declined() {
        let (mut handover, batcher, checkpoint, now) = world();
        let offer = handover.offered();
        handover.given_up();
        assert!(!handover.located(offer, vec![0]));
        assert_eq!(handover.answer(&batcher, &checkpoint, now), Some(Answer::Decline(vec![])));
        handover.offered();
        assert!(!handover.located(offer, vec![0]), "what was found out for an earlier one");
    }

    #[test]
    fn a_commit_from_before_an_offer_does_not_decline_it() {
        let (mut handover, batcher, checkpoint, now) = world();
        let before = handover.last_question();
        let offer = handover.offered();
        handover.left_behind(before);
        assert!(handover.located(offer, vec![0]), "the offer stands");
        assert_eq!(handover.answer(&batcher, &checkpoint, now), Some(Answer::Take(vec![0])));
        let before = handover.last_question();
        handover.recalled(vec![0], now + Duration::from_secs(300));
        handover.offered();
        handover.left_behind(before);
        assert_eq!(handover.answer(&batcher, &checkpoint, now), None, "it is still being found out");
        let after = handover.last_question();
        handover.left_behind(after);
        assert_eq!(handover.answer(&batcher, &checkpoint, now), Some(Answer::Decline(vec![])), "that one is lost");
    }

    #[test]
    fn a_recall_waits_for_what_runs_and_for_its_commit_but_not_for_ever() {
        let (mut handover, mut batcher, mut checkpoint, now) = world();
        let until = now + Duration::from_secs(300);
        checkpoint.begins(0, 1);
        batcher.began([0]);
        handover.recalled(vec![0, 1], until);
        assert_eq!(handover.answer(&batcher, &checkpoint, now), None);
        batcher.ended([0]);
        assert_eq!(handover.answer(&batcher, &checkpoint, now), None, "nothing runs, but not all is committed");
        checkpoint.take();
        checkpoint.committed();
        assert_eq!(handover.answer(&batcher, &checkpoint, now), Some(Answer::GiveBack(vec![0, 1])));
        batcher.began([0]);
        handover.recalled(vec![0], until);
        assert_eq!(handover.answer(&batcher, &checkpoint, until), Some(Answer::GiveBack(vec![0])), "it is too late");
        handover.recalled(vec![0], until);
        handover.given_up();
        assert_eq!(handover.answer(&batcher, &checkpoint, now), Some(Answer::GiveBack(vec![0])), "nobody waits for it");
    }
}
