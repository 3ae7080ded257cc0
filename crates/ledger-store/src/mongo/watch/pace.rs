use std::time::Duration;

/// How often to look: at [`SHORTEST`](Self::SHORTEST) intervals where something moves, at ever longer ones where nothing
/// does, so that an outcome stands unnoticed for little longer than it took to come.
#[derive(Debug)]
pub(super) struct Pace {
    next: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { next: Self::SHORTEST }
    }
}

impl Pace {
    pub(super) const SHORTEST: Duration = Duration::from_millis(10);
    pub(super) const LONGEST: Duration = Duration::from_millis(200);

    /// The interval after a look.
    pub(super) fn next(&mut self, have_moved: bool) -> Duration {
        if have_moved {
            *self = Self::default();
        }
        let interval = self.next;
        self.next = (interval * 2).min(Self::LONGEST);
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
        assert_eq!(intervals(&[true; 3]), [10, 10, 10]);
        assert_eq!(intervals(&[false; 6]), [20, 40, 80, 160, 200, 200]);
        assert_eq!(intervals(&[true, false, false]), [10, 20, 40]);
    }
}
