//! What follows when a part that forgets has ended: what it held is gone, and so is all that others knew of it.
//!
//! The parts that rely on it are ended before it starts again. A reader that outlives its broker would ask the next one for
//! topics of the last one by their ids, and librdkafka 2.12 crashes at what the embedded broker answers. When the part is
//! back, what it must hold is made again, however often that has to be tried. Then the others start.
//!
//! Promises: until all of that is done the stack is not ready. Bounds: what relies on the part has [`GRACE`] for an orderly
//! end and is killed then; nothing that it could still finish would be kept.

use super::Supervisor;
use super::slot::{Slot, State};
use crate::say;
use anyhow::Result;
use std::time::{Duration, Instant};

/// For an orderly end of what relies on the part.
const GRACE: Duration = Duration::from_secs(5);
/// Between two tries to make again what was lost.
const MAKE_UP_EVERY: Duration = Duration::from_secs(1);

/// Makes again what a part that forgets must hold.
pub(crate) type MakeUp = Box<dyn Fn() -> Result<()> + Send>;

#[derive(Default)]
pub(super) struct Loss {
    dependants: Vec<&'static str>,
    make_up: Option<MakeUp>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Nothing,
    /// Who relies on the part is ending; the part is held back.
    Ending {
        kill_at: Instant,
    },
    /// The part is starting; who relies on it is held back, here and in the next stage.
    Returning,
    MakingUp {
        at: Instant,
    },
}

impl Loss {
    pub(super) fn is_made_up(&self) -> bool {
        self.stage == Stage::Nothing
    }

    pub(super) fn wants_attention_in(&self, now: Instant) -> Option<Duration> {
        match self.stage {
            Stage::Ending { kill_at: at } | Stage::MakingUp { at } => Some(at.saturating_duration_since(now)),
            Stage::Nothing | Stage::Returning => None,
        }
    }
}

impl Supervisor {
    /// What to do when a part that forgets is lost: which parts rely on what it held, and how that is made again.
    pub(crate) fn on_loss(&mut self, dependants: Vec<&'static str>, make_up: MakeUp) {
        self.loss = Loss { dependants, make_up: Some(make_up), stage: Stage::Nothing };
    }

    /// Whether a part that has ended must wait for what was lost.
    pub(super) fn must_wait(&self, at: usize) -> bool {
        !self.loss.is_made_up() && self.loss.dependants.contains(&self.slots[at].part.name)
    }

    /// The part there, one that forgets, has ended.
    pub(super) fn lost(&mut self, at: usize) {
        self.loss.stage = Stage::Ending { kill_at: Instant::now() + GRACE };
        if let State::Pausing { until } = self.slots[at].state
            && self.dependants().any(|slot| slot.process().is_some())
        {
            self.slots[at].state = State::HeldBack { until };
        }
        let Self { slots, loss, .. } = self;
        for slot in slots.iter_mut().filter(|slot| loss.dependants.contains(&slot.part.name)) {
            match slot.state {
                State::Running { process, .. } => process.signal(slot.part.stop.signal),
                State::Pausing { until } => slot.state = State::HeldBack { until },
                State::HeldBack { .. } | State::Stopped => {}
            }
        }
    }

    /// A part that forgets is back: what it must hold is made next.
    pub(super) fn make_up_for_loss(&mut self) {
        self.loss.stage = Stage::MakingUp { at: Instant::now() };
    }

    pub(super) fn attend_to_loss(&mut self) -> Result<()> {
        match self.loss.stage {
            Stage::Ending { .. } if self.dependants().all(|slot| slot.process().is_none()) => {
                self.loss.stage = Stage::Returning;
                self.release(|slot| slot.part.forgets);
            }
            Stage::Ending { kill_at } if kill_at <= Instant::now() => {
                self.dependants().for_each(Slot::kill);
                self.loss.stage = Stage::Ending { kill_at: Instant::now() + GRACE };
            }
            Stage::MakingUp { at } if at <= Instant::now() => {
                match self.loss.make_up.as_ref().map_or(Ok(()), |make| make()) {
                    Ok(()) => {
                        self.loss.stage = Stage::Nothing;
                        self.release(|_| true);
                        self.judge_readiness()?;
                    }
                    Err(error) => {
                        say::line("passbook", format!("{error:#}; trying again"));
                        self.loss.stage = Stage::MakingUp { at: Instant::now() + MAKE_UP_EVERY };
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn dependants(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| self.loss.dependants.contains(&slot.part.name))
    }

    /// Has parts started that were held back, once their pause is over.
    fn release(&mut self, which: impl Fn(&Slot) -> bool) {
        for slot in &mut self.slots {
            if let State::HeldBack { until } = slot.state
                && which(slot)
            {
                slot.state = State::Pausing { until };
            }
        }
    }
}
