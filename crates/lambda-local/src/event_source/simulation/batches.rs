//! Batches, by size and time.

use super::super::batcher::{COMPANY, GATHERING_AT_MOST, MANY, QUIET, gathering};
use super::*;

fn batcher(window_ms: u64) -> (Batcher, Instant) {
    let now = Instant::now();
    let mut batcher = Batcher::new(Limits { window: Duration::from_millis(window_ms), ..LIMITS }, now);
    for partition in 0..PARTITIONS {
        batcher.assign(partition);
    }
    (batcher, now)
}

fn push(batcher: &mut Batcher, partition: Partition, offsets: std::ops::Range<i64>, now: Instant) {
    for offset in offsets {
        let record = Record { offset, timestamp_ms: 0, json: vec![b'x'; 10].into_boxed_slice() };
        assert!(batcher.push(partition, record, now));
    }
}

fn taken(batcher: &mut Batcher, now: Instant) -> Option<Vec<(Partition, Vec<i64>)>> {
    let slices = batcher.take(now)?;
    batcher.began(slices.iter().map(|slice| slice.partition));
    let offsets = |slice: &Slice| slice.records.iter().map(|record| record.offset).collect();
    Some(slices.iter().map(|slice| (slice.partition, offsets(slice))).collect())
}

#[test]
fn a_full_batch_leaves_at_once_and_a_partial_one_at_the_end_of_the_window() {
    let (mut batcher, now) = batcher(500);
    push(&mut batcher, 0, 0..3, now);
    assert_eq!(taken(&mut batcher, now), None);
    push(&mut batcher, 1, 0..2, now);
    assert_eq!(taken(&mut batcher, now), Some(vec![(0, vec![0, 1, 2]), (1, vec![0, 1])]));
    push(&mut batcher, 2, 0..1, now);
    assert_eq!(batcher.wake_at(), Some(now + Duration::from_millis(500)));
    assert_eq!(taken(&mut batcher, now + Duration::from_millis(500)), Some(vec![(2, vec![0])]));
}

#[test]
fn windows_follow_one_another_while_nothing_arrives() {
    let (mut batcher, start) = batcher(500);
    let arrival = start + Duration::from_millis(1_200);
    push(&mut batcher, 0, 0..1, arrival);
    assert_eq!(batcher.wake_at(), Some(start + Duration::from_millis(1_500)));
}

#[test]
fn with_a_window_of_zero_a_batch_is_what_arrived_while_the_last_one_was_tried() {
    let (mut batcher, now) = batcher(0);
    assert_eq!(taken(&mut batcher, now), None);
    push(&mut batcher, 0, 0..1, now);
    assert_eq!(taken(&mut batcher, now), Some(vec![(0, vec![0])]));
    push(&mut batcher, 1, 0..1, now);
    push(&mut batcher, 2, 0..1, now);
    assert_eq!(taken(&mut batcher, now), None, "it has company to wait for");
    assert_eq!(batcher.wake_at(), Some(now + COMPANY));
    batcher.ended([0]);
    assert_eq!(batcher.wake_at(), Some(now));
    assert_eq!(taken(&mut batcher, now), Some(vec![(1, vec![0]), (2, vec![0])]));
}

#[test]
fn a_batch_that_is_full_or_has_waited_long_leaves_beside_one_that_is_being_tried() {
    let (mut batcher, now) = batcher(0);
    push(&mut batcher, 0, 0..1, now);
    assert_eq!(taken(&mut batcher, now), Some(vec![(0, vec![0])]));
    push(&mut batcher, 1, 0..5, now);
    assert_eq!(taken(&mut batcher, now), Some(vec![(1, vec![0, 1, 2, 3, 4])]));
    push(&mut batcher, 2, 0..1, now);
    assert_eq!(taken(&mut batcher, now + COMPANY - Duration::from_millis(1)), None);
    assert_eq!(taken(&mut batcher, now + COMPANY), Some(vec![(2, vec![0])]));
}

/// How long the batches of [`batcher_after`] are tried.
const TRIED: Duration = Duration::from_millis(20);

/// A batcher of which a batch of so many has left and come back, and when it left.
fn batcher_after(records: usize, window: Duration) -> (Batcher, Instant) {
    batcher_after_one_that_took(TRIED, records, window)
}

fn batcher_after_one_that_took(tried: Duration, records: usize, window: Duration) -> (Batcher, Instant) {
    let left = Instant::now();
    let limits = Limits { window, records: 2 * records.max(MANY), bytes: 1024 * MANY, ..LIMITS };
    let mut batcher = Batcher::new(limits, left - window);
    batcher.assign(0);
    let epoch = batcher.assign(1);
    push(&mut batcher, 1, 0..records as i64, left - window);
    assert_eq!(taken(&mut batcher, left).map(|slices| slices[0].1.len()), Some(records));
    batcher.ended([1]);
    batcher.release(1, epoch);
    batcher.returned(left + tried);
    (batcher, left)
}

#[test]
fn after_few_records_the_next_one_leaves_at_once() {
    let (mut batcher, left) = batcher_after(MANY - 1, Duration::ZERO);
    push(&mut batcher, 0, 0..1, left + TRIED);
    assert_eq!(taken(&mut batcher, left + TRIED), Some(vec![(0, vec![0])]));
}

#[test]
fn after_many_records_the_next_ones_leave_when_no_more_come() {
    let (mut batcher, left) = batcher_after(MANY, Duration::ZERO);
    let (first, second) = (left + TRIED, left + TRIED + QUIET / 2);
    push(&mut batcher, 0, 0..1, first);
    assert_eq!(batcher.wake_at(), Some(first + QUIET));
    push(&mut batcher, 1, 1..2, second);
    assert_eq!(taken(&mut batcher, first + QUIET), None);
    assert_eq!(batcher.wake_at(), Some(second + QUIET));
    assert_eq!(taken(&mut batcher, second + QUIET).map(|slices| slices.len()), Some(2));
}

#[test]
fn where_a_batch_takes_long_a_longer_time_without_records_counts_as_a_pause() {
    for (took, pause) in [(TRIED, QUIET), (2 * TRIED, 2 * QUIET), (3 * TRIED, 3 * QUIET)] {
        let (mut batcher, left) = batcher_after_one_that_took(took, 10 * MANY, Duration::ZERO);
        push(&mut batcher, 0, 0..1, left + took);
        assert_eq!(batcher.wake_at(), Some(left + took + pause));
    }
    let (mut batcher, left) = batcher_after_one_that_took(5 * TRIED, 10 * MANY, Duration::ZERO);
    push(&mut batcher, 0, 0..1, left + 5 * TRIED);
    assert_eq!(batcher.wake_at(), Some(left + 5 * TRIED), "it has been gathered for as long as any");
}

#[test]
fn after_many_records_a_stream_that_never_pauses_is_gathered_for_so_long() {
    let (mut batcher, left) = batcher_after(MANY, Duration::ZERO);
    let end = left + gathering(MANY);
    let mut at = left + TRIED;
    for offset in 0.. {
        push(&mut batcher, 0, offset..offset + 1, at);
        let next = at + QUIET / 2;
        if next >= end {
            break;
        }
        assert_eq!(taken(&mut batcher, at), None, "{:?} after the last one left", at - left);
        at = next;
    }
    assert_eq!(batcher.wake_at(), Some(end));
    assert!(taken(&mut batcher, end).is_some());
}

#[test]
fn after_many_records_a_full_batch_leaves_at_once() {
    let (mut batcher, left) = batcher_after(MANY, Duration::ZERO);
    push(&mut batcher, 0, 0..2 * MANY as i64, left + TRIED);
    assert_eq!(taken(&mut batcher, left + TRIED).map(|slices| slices[0].1.len()), Some(2 * MANY));
}

#[test]
fn many_records_long_ago_hold_up_nothing() {
    let (mut batcher, left) = batcher_after(MANY, Duration::ZERO);
    push(&mut batcher, 0, 0..1, left + gathering(MANY));
    assert_eq!(taken(&mut batcher, left + gathering(MANY)), Some(vec![(0, vec![0])]));
}

#[test]
fn a_window_is_kept_after_many_records_too() {
    let window = Duration::from_secs(1);
    let (mut batcher, left) = batcher_after(MANY, window);
    push(&mut batcher, 0, 0..1, left + TRIED);
    assert_eq!(batcher.wake_at(), Some(left + TRIED + window));
}

#[test]
fn after_many_records_what_cannot_leave_holds_up_no_other_partition() {
    let (mut batcher, left) = batcher_after(MANY, Duration::ZERO);
    push(&mut batcher, 0, 0..MANY as i64, left + gathering(MANY));
    assert!(taken(&mut batcher, left + gathering(MANY)).is_some());
    batcher.ended([0]);
    // It failed, and waits for its next try.
    let now = left + gathering(MANY) + TRIED;
    push(&mut batcher, 1, 0..1, now);
    push(&mut batcher, 0, 100..101, now + QUIET / 2);
    assert_eq!(taken(&mut batcher, now + QUIET), Some(vec![(1, vec![0])]));
}

#[test]
fn many_records_that_are_being_tried_are_company_as_any_others() {
    let (mut batcher, left) = batcher_after(MANY, Duration::ZERO);
    push(&mut batcher, 0, 0..MANY as i64, left + gathering(MANY));
    let left = left + gathering(MANY);
    assert!(taken(&mut batcher, left).is_some());
    push(&mut batcher, 1, 0..1, left);
    assert_eq!(batcher.wake_at(), Some(left + COMPANY));
}

#[test]
fn a_further_try_is_company_from_when_the_last_new_batch_left() {
    let (mut batcher, left) = batcher_after(1, Duration::ZERO);
    batcher.began([1]);
    push(&mut batcher, 0, 0..1, left + TRIED);
    assert_eq!(batcher.wake_at(), Some(left + COMPANY));
}

#[test]
fn a_partition_with_a_batch_out_gives_no_second_one() {
    let (mut batcher, now) = batcher(0);
    push(&mut batcher, 0, 0..5, now);
    assert_eq!(taken(&mut batcher, now), Some(vec![(0, vec![0, 1, 2, 3, 4])]));
    push(&mut batcher, 0, 5..6, now);
    assert_eq!(taken(&mut batcher, now), None);
    push(&mut batcher, 1, 0..1, now);
    assert_eq!(taken(&mut batcher, now + COMPANY), Some(vec![(1, vec![0])]), "the others go on");
    batcher.ended([1]);
    batcher.ended([0]);
    assert_eq!(taken(&mut batcher, now), None, "while it waits for its next try its partition is taken");
    batcher.release(0, Epoch(1));
    batcher.returned(now);
    assert_eq!(taken(&mut batcher, now), Some(vec![(0, vec![5])]));
}

#[test]
fn a_partition_that_comes_back_waits_for_the_invocation_of_its_earlier_assignment() {
    let (mut batcher, now) = batcher(0);
    push(&mut batcher, 0, 0..2, now);
    assert_eq!(taken(&mut batcher, now), Some(vec![(0, vec![0, 1])]));
    batcher.revoke(0);
    assert_eq!(batcher.assign(0), Epoch(4));
    push(&mut batcher, 0, 0..2, now);
    assert_eq!((taken(&mut batcher, now), batcher.wake_at()), (None, None));
    batcher.release(0, Epoch(1));
    assert_eq!(taken(&mut batcher, now), None, "what the earlier assignment releases is not this one's");
    batcher.ended([0]);
    assert_eq!(taken(&mut batcher, now), Some(vec![(0, vec![0, 1])]));
}

#[test]
fn batches_that_wait_for_their_next_try_take_no_place() {
    let (mut batcher, now) = batcher(0);
    let mut line = Line::default();
    let many = Partition::try_from(IN_FLIGHT).unwrap() * 2;
    // Each long enough after the last for a batch to leave.
    let mut later = now;
    let mut next = |batcher: &mut Batcher, line: &mut Line| -> Option<Delivery> {
        later += COMPANY;
        let delivery = line.next(batcher, later)?;
        batcher.began(delivery.partitions());
        Some(delivery)
    };
    let mut failing = vec![];
    for partition in 0..many {
        batcher.assign(partition);
        push(&mut batcher, partition, 0..1, now);
        let delivery = next(&mut batcher, &mut line).expect("the failing ones leave a place");
        batcher.ended(delivery.partitions());
        failing.push(delivery);
    }
    batcher.assign(many);
    push(&mut batcher, many, 0..1, now);
    failing.into_iter().for_each(|delivery| line.join(delivery));
    let order: Vec<_> = std::iter::from_fn(|| next(&mut batcher, &mut line)).flat_map(|d| d.partitions()).collect();
    assert_eq!(order, [0, many, 1, 2, 3], "in turns, and never more than there are places");
    assert!(!batcher.has_place());
}

#[test]
fn a_batch_never_exceeds_its_bytes() {
    let (mut batcher, now) = batcher(0);
    for offset in 0..4 {
        batcher.push(0, Record { offset, timestamp_ms: 0, json: vec![b'x'; 80].into_boxed_slice() }, now);
    }
    assert_eq!(taken(&mut batcher, now), Some(vec![(0, vec![0, 1])]));
}

/// How many records the batches have, of a stream that begins with many at once.
fn batches_of_a_stream(per_second: u32, batches: usize) -> Vec<usize> {
    let began = Instant::now();
    let mut batcher = Batcher::new(Limits { window: Duration::ZERO, records: 5000, bytes: 1 << 20, ..LIMITS }, began);
    let epoch = batcher.assign(0);
    push(&mut batcher, 0, 0..10 * MANY as i64, began);
    let (mut sizes, mut out_until) = (Vec::new(), None);
    for number in 1.. {
        let now = began + Duration::from_secs(1) * number / per_second;
        if out_until.is_some_and(|until| until <= now) {
            out_until = None;
            batcher.ended([0]);
            batcher.release(0, epoch);
            batcher.returned(now);
        }
        let offset = 10 * MANY as i64 + i64::from(number);
        push(&mut batcher, 0, offset..offset + 1, now);
        if let Some(slices) = taken(&mut batcher, now) {
            sizes.push(slices[0].1.len());
            out_until = Some(now + TRIED / 2);
        }
        if sizes.len() == batches {
            break;
        }
    }
    sizes
}

#[test]
fn a_fast_stream_is_gathered_for_the_longest_time_and_a_thin_one_not_at_all() {
    let at_most = |per_second: usize| per_second * GATHERING_AT_MOST.as_millis() as usize / 1000;
    for per_second in [2_000, 10_000] {
        let sizes = batches_of_a_stream(per_second, 20);
        let expected = at_most(per_second as usize);
        assert!(sizes[10..].iter().all(|size| size.abs_diff(expected) <= 1), "{per_second}: {sizes:?}");
    }
    for per_second in [100, 800] {
        let sizes = batches_of_a_stream(per_second, 60);
        assert!(sizes[50..].iter().all(|size| *size < MANY / 2), "{per_second}: {sizes:?}");
    }
}
