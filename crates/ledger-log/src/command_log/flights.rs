//! Which commands are handed to librdkafka together, and when: a pure core with the time as an argument.
//!
//! A partition has one flight out at a time. When a record of it is confirmed, the next flight leaves with all that waits. So
//! a command that finds no other under way leaves at once; one that does waits for an answer of the broker first. Many share
//! requests: the more of them, the longer the broker takes.
//!
//! librdkafka by itself wastes processor time here. While records of a partition are in flight and others have waited for
//! `linger.ms`, an idempotent producer's thread asks without pause whether it may send those, until the broker answers
//! (`rd_kafka_toppar_producer_serve` of librdkafka 2.12: it counts five records in flight as five requests, the most that the
//! broker can tell apart). With flights nothing is queued there meanwhile, unless the broker takes longer than [`HELD`].
//!
//! Promise: flights leave in their order, and in each the commands in the order in which they joined, where whoever looks or
//! lands sends before anybody else does either. What has joined leaves within [`HELD`] while somebody waits for it, and at
//! once when nobody does any more.
//!
//! Bounds: [`WAITING`] commands wait at a time. A flight waits for the one before it for [`HELD`] at most; then it goes to
//! librdkafka, whose time-outs are for brokers that are slow or away.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use ledger::Partition;
use tokio::time::Instant;

/// The most commands that wait at a time.
pub(super) const WAITING: usize = 20_000;
/// The longest a flight waits for the one before it.
pub(super) const HELD: Duration = Duration::from_millis(100);

/// What waits for its flight, and which flights are out.
#[derive(Debug)]
pub(super) struct Flights<T> {
    lanes: BTreeMap<Partition, Lane<T>>,
    waiting: usize,
}

/// One flight to one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flight {
    partition: Partition,
    number: u64,
}

#[derive(Debug)]
struct Lane<T> {
    /// What leaves with the next flight.
    waiting: Vec<T>,
    /// The number of that flight.
    next: u64,
    /// When the one before it left; `None` once a record of that is confirmed or given up.
    out_since: Option<Instant>,
}

/// How it stands with a flight.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look<T> {
    /// It leaves now, with these.
    Leaves(Vec<T>),
    /// It has left.
    Left,
    /// It waits for the one before it, until then.
    Waits(Instant),
}

impl<T> Flights<T> {
    pub(super) fn new() -> Self {
        Self { lanes: BTreeMap::new(), waiting: 0 }
    }

    /// Gives a command its flight, to be looked at next; or gives it back where too many wait.
    pub(super) fn join(&mut self, partition: Partition, command: T) -> Result<Flight, T> {
        if self.waiting >= WAITING {
            return Err(command);
        }
        self.waiting += 1;
        let lane = self.lanes.entry(partition).or_default();
        lane.waiting.push(command);
        Ok(Flight { partition, number: lane.next })
    }

    /// How it stands with a flight that was joined. Whoever finds that it leaves sends it.
    pub(super) fn look(&mut self, flight: Flight, now: Instant) -> Look<T> {
        match self.lanes.get_mut(&flight.partition) {
            Some(lane) if lane.next == flight.number => match lane.out_since.map(|since| since + HELD) {
                Some(until) if until > now => Look::Waits(until),
                _ => Look::Leaves(self.leave(flight.partition, now)),
            },
            _ => Look::Left,
        }
    }

    /// A command of a flight is confirmed, or nobody waits for it any more: what leaves because of that. A command that is
    /// given up before it has left takes its flight along, or it might wait for as long as nobody joins it.
    pub(super) fn landed(&mut self, flight: Flight, now: Instant) -> Vec<T> {
        let Some(lane) = self.lanes.get(&flight.partition) else { return Vec::new() };
        let is_last = lane.next == flight.number + 1;
        let is_next = lane.next == flight.number;
        if is_last || is_next { self.leave(flight.partition, now) } else { Vec::new() }
    }

    /// All that waits for a partition, if anything does.
    fn leave(&mut self, partition: Partition, now: Instant) -> Vec<T> {
        let Some(lane) = self.lanes.get_mut(&partition) else { return Vec::new() };
        lane.out_since = None;
        if lane.waiting.is_empty() {
            return Vec::new();
        }
        (lane.next, lane.out_since) = (lane.next + 1, Some(now));
        let leaves = mem::take(&mut lane.waiting);
        self.waiting -= leaves.len();
        leaves
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self { waiting: Vec::new(), next: 0, out_since: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_lone_command_leaves_at_once() {
        let (mut flights, now) = (Flights::new(), Instant::now());
        for command in 0..3 {
            let flight = flights.join(0, command).unwrap();
            assert_eq!(flights.look(flight, now), Look::Leaves(vec![command]));
            assert_eq!(flights.look(flight, now), Look::Left);
            assert_eq!(flights.landed(flight, now), Vec::<i32>::new());
        }
    }

    #[test]
    fn what_comes_meanwhile_leaves_together_when_the_first_of_a_flight_is_confirmed() {
        let (mut flights, now) = (Flights::new(), Instant::now());
        let first = flights.join(0, "a").unwrap();
        assert_eq!(flights.look(first, now), Look::Leaves(vec!["a"]));
        let second = flights.join(0, "b").unwrap();
        assert_eq!(flights.look(second, now + MS), Look::Waits(now + HELD));
        assert_eq!(flights.join(0, "c"), Ok(second));
        assert_eq!(flights.landed(first, now + 2 * MS), ["b", "c"]);
        assert_eq!(flights.look(second, now + 2 * MS), Look::Left);
        assert_eq!(flights.landed(first, now + 2 * MS), Vec::<&str>::new(), "said by each of it");
        let third = flights.join(0, "d").unwrap();
        assert_eq!(flights.look(third, now + 3 * MS), Look::Waits(now + 2 * MS + HELD));
        assert_eq!(flights.landed(first, now + 3 * MS), Vec::<&str>::new(), "another one is out since");
        assert_eq!(flights.landed(second, now + 3 * MS), ["d"]);
    }

    #[test]
    fn commands_that_join_together_leave_together() {
        let (mut flights, now) = (Flights::new(), Instant::now());
        let joined: Vec<_> = (0..3).map(|command| flights.join(0, command).unwrap()).collect();
        assert_eq!(flights.look(joined[0], now), Look::Leaves(vec![0, 1, 2]));
        assert_eq!(flights.look(joined[2], now), Look::Left);
    }

    #[test]
    fn a_command_that_is_given_up_before_it_leaves_is_not_left_behind() {
        let (mut flights, now) = (Flights::new(), Instant::now());
        let first = flights.join(0, "a").unwrap();
        assert_eq!(flights.look(first, now), Look::Leaves(vec!["a"]));
        let second = flights.join(0, "b").unwrap();
        assert_eq!(flights.landed(second, now), ["b"], "given up");
        assert_eq!(flights.landed(first, now), Vec::<&str>::new());
        let third = flights.join(0, "c").unwrap();
        assert_eq!(
            flights.landed(third, now),
            ["c"],
            "given up, and of the one before it nobody will say that it landed"
        );
    }

    #[test]
    fn partitions_do_not_wait_for_each_other() {
        let (mut flights, now) = (Flights::new(), Instant::now());
        for partition in 0..3 {
            let flight = flights.join(partition, partition).unwrap();
            assert_eq!(flights.look(flight, now), Look::Leaves(vec![partition]));
        }
    }

    #[test]
    fn a_broker_that_is_slow_or_away_holds_a_flight_up_for_so_long_only() {
        let (mut flights, now) = (Flights::new(), Instant::now());
        let first = flights.join(0, 1).unwrap();
        assert_eq!(flights.look(first, now), Look::Leaves(vec![1]));
        let second = flights.join(0, 2).unwrap();
        assert_eq!(flights.look(second, now + HELD - MS), Look::Waits(now + HELD));
        assert_eq!(flights.look(second, now + HELD), Look::Leaves(vec![2]));
        let third = flights.join(0, 3).unwrap();
        assert_eq!(flights.landed(first, now + HELD), Vec::<i32>::new(), "the second one is out");
        assert_eq!(flights.landed(second, now + HELD), [3]);
        assert_eq!(flights.look(third, now + HELD), Look::Left);
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let (mut flights, now) = (Flights::new(), Instant::now());
        let first = flights.join(0, 0).unwrap();
        assert_eq!(flights.look(first, now), Look::Leaves(vec![0]));
        for command in 0..WAITING {
            flights.join(u16::try_from(command % 2).unwrap(), command).unwrap();
        }
        assert_eq!(flights.join(0, WAITING), Err(WAITING));
        assert_eq!(flights.landed(first, now).len(), WAITING / 2);
        assert!(flights.join(0, WAITING).is_ok());
    }
}
