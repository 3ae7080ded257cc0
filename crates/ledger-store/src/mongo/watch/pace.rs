use std::time::Duration;

/// How often to look: at [`SHORTEST`](Self::SHORTEST) intervals while something moves, else after a quarter of the time for
/// which nothing has. So an outcome stands unnoticed for a quarter of the time that it took, or for the shortest interval.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// For how long nothing has moved, by the intervals given.
    still: Duration,
}

impl Pace {
    pub(super) const SHORTEST: Duration = Duration::from_millis(2);
    pub(super) const LONGEST: Duration = Duration::from_millis(200);

    /// The interval after a look.
    pub(super) fn next(&mut self, have_moved: bool) -> Duration {
        if have_moved {
            *self = Self::default();
        }
        let interval = (self.still / 4).clamp(Self::SHORTEST, Self::LONGEST);
        self.still += interval;
        interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_looks_become_fewer_until_something_moves() {
        let mut pace = Pace::default();
        let mut intervals = |moves: &[bool]| -> Vec<u128> {
            moves.iter().map(|have_moved| pace.next(*have_moved).as_millis()).collect()
        };
        assert_eq!(intervals(&[true; 3]), [2, 2, 2]);
        assert_eq!(intervals(&[false; 12]), [2, 2, 2, 2, 2, 3, 3, 4, 6, 7, 9, 11]);
        assert_eq!(intervals(&[false; 14])[11..], [173, 200, 200]);
        assert_eq!(intervals(&[false, true, false]), [200, 2, 2]);
    }

    #[test]
    fn it_never_grows_past_its_longest() {
        let mut pace = Pace { still: Duration::from_secs(3_600) };
        assert_eq!(pace.next(false), Pace::LONGEST);
    }
}
