use ledger::{TransactionId, partition_of};

use super::*;
use crate::batch::Content;

const NOW: Timestamp = Timestamp::from_epoch_ms(1_750_000_000_000);

fn at(ms: i64) -> Timestamp {
    Timestamp::from_epoch_ms(NOW.epoch_ms() + ms)
}

/// Records that nobody can read, at these offsets and times: of whatever generation the partition is.
fn batch(offsets: impl IntoIterator<Item = Offset>, ms: i64) -> PartitionBatch {
    let record = |offset| LogRecord {
        offset,
        recorded_at: at(ms),
        stamped_by_broker: true,
        key: None,
        value: None,
        content: Content::Unreadable { why: "no JSON".to_owned(), account: None },
    };
    let records = offsets.into_iter().map(record).collect();
    PartitionBatch { topic: COMMANDS.to_owned(), partition: 0, records, voids: Vec::new() }
}

fn fence(next_offset: Offset) -> Fence {
    let beginning = Fence::at_beginning(COMMANDS, 0, 1, None);
    Fence { next_offset, last_recorded_at: at(0), ..beginning }
}

fn judge_now(fence: &Fence, batch: &PartitionBatch) -> Result<Continuation, FenceFault> {
    let circumstances = Circumstances { now: NOW, accepts_writers_time: false };
    judge(Some(fence), batch, &batch.records, circumstances)
}

#[test]
fn only_the_topic_that_the_books_belong_to_settles() {
    let mirror = PartitionBatch { topic: "mirror.passbook.commands".to_owned(), ..batch(0..3, 0) };
    let fault = judge_now(&fence(0), &mirror).unwrap_err();
    assert_eq!(fault, FenceFault::OtherTopic { found: "mirror.passbook.commands".to_owned() });
    let circumstances = Circumstances { now: NOW, accepts_writers_time: false };
    assert!(judge(None, &mirror, &mirror.records, circumstances).is_err(), "nor begins");
}

#[test]
fn a_record_that_is_ahead_of_the_clock_waits_and_those_before_it_do_not() {
    let five_minutes = 5 * 60 * 1_000;
    let fence = fence(10);
    assert_eq!(judge_now(&fence, &batch(10..13, five_minutes)).unwrap().sound, 3);
    let mut ahead = batch(10..13, five_minutes);
    ahead.records[1].recorded_at = at(five_minutes + 1);
    assert_eq!(judge_now(&fence, &ahead).unwrap().sound, 1);
    ahead.records.remove(0);
    ahead.records[0].offset = 10;
    let fault = judge_now(&fence, &ahead).unwrap_err();
    assert_eq!(fault, FenceFault::AheadOfClock { offset: 10, ahead_ms: 300_001 });
    assert!(fault.passes());
}

#[test]
fn the_writers_time_decides_nothing_unless_the_operator_says_so() {
    let mut written = batch(10..12, 0);
    written.records[0].stamped_by_broker = false;
    assert_eq!(judge_now(&fence(10), &written).unwrap_err(), FenceFault::WritersTime { offset: 10 });
    let circumstances = Circumstances { now: NOW, accepts_writers_time: true };
    assert_eq!(judge(Some(&fence(10)), &written, &written.records, circumstances).unwrap().sound, 2);
}

#[test]
fn offsets_that_the_log_says_are_void_are_stepped_over() {
    let with_voids = |offsets: &[Offset], voids: &[(Offset, Offset)]| PartitionBatch {
        voids: voids.iter().map(|(start, end)| *start..*end).collect(),
        ..batch(offsets.iter().copied(), 0)
    };
    for (offsets, voids, run) in [
        (&[10, 11, 12][..], &[][..], 3),
        (&[10, 12], &[], 1),
        (&[10, 12], &[(11, 12)], 2),
        (&[10, 14], &[(11, 12), (12, 14)], 2),
        (&[10, 14], &[(11, 13)], 1),
        (&[10, 12, 13, 15], &[(11, 12), (14, 15)], 4),
        (&[10, 10], &[(10, 11)], 1),
    ] {
        assert_eq!(run_length(&with_voids(offsets, voids), 0), run, "{offsets:?} {voids:?}");
    }
    assert_eq!(judge_now(&fence(9), &with_voids(&[10], &[])), Err(FenceFault::Gap { expected: 9, found: 10 }));
    assert_eq!(judge_now(&fence(9), &with_voids(&[10], &[(9, 10)])).unwrap().sound, 1);
    assert_eq!(judge_now(&fence(0), &with_voids(&[1], &[])), Err(FenceFault::StartsLate { found: 1 }));
    assert_eq!(judge_now(&fence(0), &with_voids(&[1], &[(0, 1)])).unwrap().sound, 1);
    assert_eq!(voids_passed(9..13, 3), 1);
}

#[test]
fn a_fence_counts_what_was_applied_and_remembers_it_when_the_next_generation_begins() {
    let fence = Fence { voids: 2, ..fence(10) };
    assert_eq!(fence.applied(), 8);
    let next = fence.begin_anew(2, Some(at(5)));
    assert_eq!((next.generation, next.next_offset, next.published, next.voids), (2, 0, 0, 0));
    assert_eq!(next.earlier, [EarlierGeneration { generation: 1, applied: 8 }]);
    let again = next.clone().begin_anew(2, Some(at(5)));
    assert_eq!(again, next, "to begin it again changes nothing");
    assert_eq!(next.clone().begin_anew(3, None).earlier, next.earlier, "nothing of generation 2 was applied");
}

#[test]
fn an_id_that_cannot_be_is_told_from_one_that_is_to_come() {
    let partitions = NonZeroU16::new(8).unwrap();
    let its = partition_of("acme", partitions);
    let reached = |partitions| Some(Reached { generation: 2, next_offset: 10, partitions });
    let at = |generation, partition, offset| TransactionId {
        account: "acme~main".parse().unwrap(),
        position: Position::new(generation, partition, offset).unwrap(),
    };
    for (fence, id, expected) in [
        (reached(Some(partitions)), at(2, its, 10), Whereabouts::ToCome),
        (reached(Some(partitions)), at(2, its, 9), Whereabouts::Passed),
        (reached(Some(partitions)), at(2, its + 1, 10), Whereabouts::Impossible),
        (reached(Some(partitions)), at(2, its + 1, 9), Whereabouts::Passed),
        (reached(None), at(2, its + 1, 10), Whereabouts::ToCome),
        (reached(Some(partitions)), at(1, its + 1, 99), Whereabouts::Passed),
        (reached(Some(partitions)), at(3, its, 10), Whereabouts::Impossible),
        (reached(Some(partitions)), at(0, its, 10), Whereabouts::Impossible),
        (None, at(2, its, 10), Whereabouts::NoFence),
    ] {
        assert_eq!(whereabouts(fence, &id), expected, "{fence:?} {id}");
    }
}
