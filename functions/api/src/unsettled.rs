//! How long what this environment accepted has waited to be settled.
//!
//! Who could say how old the oldest unsettled command is? The fences say how far each partition is settled, and not what
//! follows; the log knows, but reading it takes a consumer, rights that the door has no other use for, and a moment for
//! each caller. The door itself knows what it has appended, and when. So it keeps marks: of each partition the first command
//! of every second, and forgets those that the fence has passed. The age is that of the oldest mark that is left, so it is
//! up to a second too small.
//!
//! What other environments accepted is not in it, nor what this one accepted in an earlier life: `passbook lag` reads the
//! log and knows all, and so do the alarms. What it does say needs neither.
//!
//! Bound: [`MOST_MARKS`] a partition; when they are used up, newer ones are left out, and the oldest, which counts, is kept.

use std::collections::{BTreeMap, HashMap, VecDeque};

use ledger::{Generation, Offset, Partition, Position};
use tokio::time::{Duration, Instant};

const MOST_MARKS: usize = 300;
const APART: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    marks: BTreeMap<Partition, VecDeque<Mark>>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    position: (Generation, Offset),
    at: Instant,
}

/// How far each partition is settled: generation and next offset.
pub(crate) type Progress = HashMap<Partition, (Generation, Offset)>;

impl Unsettled {
    pub(crate) fn appended(&mut self, position: Position, now: Instant) {
        let marks = self.marks.entry(position.partition()).or_default();
        let is_near = marks.back().is_some_and(|last| now.saturating_duration_since(last.at) < APART);
        if !is_near && marks.len() < MOST_MARKS {
            marks.push_back(Mark { position: (position.generation(), position.offset()), at: now });
        }
    }

    /// Forgets what is settled and gives the partition whose oldest command has waited longest, and how long.
    pub(crate) fn oldest(&mut self, progress: &Progress, now: Instant) -> Option<(Partition, Duration)> {
        for (partition, marks) in &mut self.marks {
            let fence = progress.get(partition);
            marks.retain(|mark| fence.is_none_or(|fence| mark.position >= *fence));
        }
        let oldest = self.marks.iter().filter_map(|(partition, marks)| Some((*partition, marks.front()?.at)));
        oldest.min_by_key(|(_, at)| *at).map(|(partition, at)| (partition, now.saturating_duration_since(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: u16, offset: u64) -> Position {
        Position::new(1, partition, offset).unwrap()
    }

    #[test]
    fn the_oldest_is_what_no_fence_has_passed() {
        let begun = Instant::now();
        let second = |seconds| begun + Duration::from_secs(seconds);
        let mut unsettled = Unsettled::default();
        for (partition, offset, seconds) in [(0, 7, 0), (1, 3, 1), (0, 8, 5), (0, 9, 5), (0, 10, 8)] {
            unsettled.appended(at(partition, offset), second(seconds));
        }
        let age = |seconds| Some(Duration::from_secs(seconds));
        for (fences, partition, seconds) in [
            (vec![], Some(0), age(10)),
            (vec![(0, (1, 7)), (1, (1, 3))], Some(0), age(10)),
            (vec![(0, (1, 8)), (1, (1, 3))], Some(1), age(9)),
            (vec![(0, (1, 8)), (1, (1, 4))], Some(0), age(5)),
            // Offset 9 came in the second of 8.
            (vec![(0, (1, 9)), (1, (1, 4))], Some(0), age(2)),
            // The next generation.
            (vec![(0, (2, 0)), (1, (1, 4))], None, None),
        ] {
            let found = unsettled.oldest(&fences.into_iter().collect(), second(10));
            assert_eq!((found.map(|found| found.0), found.map(|found| found.1)), (partition, seconds));
        }
    }

    #[test]
    fn the_oldest_is_kept_when_there_is_no_more_room() {
        let begun = Instant::now();
        let mut unsettled = Unsettled::default();
        for second in 0..2 * MOST_MARKS as u64 {
            unsettled.appended(at(0, second), begun + Duration::from_secs(second));
        }
        assert_eq!(unsettled.marks[&0].len(), MOST_MARKS);
        let end = begun + Duration::from_secs(1_000);
        assert_eq!(unsettled.oldest(&Progress::new(), end), Some((0, Duration::from_secs(1_000))));
    }
}
