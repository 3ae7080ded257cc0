//! What an event source leaves out.

use ledger_log::StretchError;
use ledger_store::Fence;

use super::*;

/// A bench whose log has deposits of alice's at these offsets of partition 0.
fn bench(offsets: impl IntoIterator<Item = u64>) -> (Bench, MemoryStore) {
    let books = MemoryStore::default();
    let bench = Bench::on(books.clone());
    bench.log(offsets.into_iter().map(|offset| deposit(offset, "alice")));
    (bench, books)
}

fn balances(bench: &Bench) -> Vec<i64> {
    let balance =
        |outcome: &OutcomeRecord| serde_json::from_slice::<Value>(&outcome.value).unwrap()["balance"].as_i64().unwrap();
    bench.outcomes.outcomes().iter().map(balance).collect()
}

fn said(lines: &Lines, level: &str) -> Vec<String> {
    lines.of_level(level).iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn markers_of_transactions_are_stepped_over_and_the_log_is_asked_once_a_batch() {
    let (bench, books) = bench([0, 2, 5, 6]);
    assert_eq!(bench.settle(&deposits([0, 2, 5])).await, [""; 0]);
    assert_eq!(bench.outcomes.readings(), 1);
    assert_eq!(bench.settle(&deposits([6])).await, [""; 0]);
    assert_eq!((balances(&bench).as_slice(), bench.outcomes.readings()), (&[100, 200, 300, 400][..], 1));
    let [Fence { next_offset: 7, voids: 3, published: 7, .. }] = books.fences()[..] else {
        panic!("{:?}", books.fences())
    };
}

#[tokio::test]
async fn markers_before_the_first_record_leave_nothing_unpublished() {
    let (bench, _) = bench([0, 2]);
    for (offset, readings) in [(0, 0), (2, 1)] {
        let (failed, line) = bench.settle_at(2_000, &deposits([offset])).await;
        assert_eq!((failed.len(), bench.outcomes.readings()), (0, readings), "{line}");
        assert_eq!(line["OutcomesUnpublished"], json!(0), "{line}");
    }
}

#[tokio::test]
async fn a_poller_that_shows_what_was_aborted_and_one_that_does_not_give_the_same_books() {
    let (shown, not_shown) = (bench([0, 1, 3]), bench([0, 1, 3]));
    assert_eq!(shown.0.settle(&deposits([0, 1, 3])).await, [""; 0]);
    assert_eq!(not_shown.0.settle(&deposits([0, 3])).await, [""; 0]);
    assert_eq!(shown.0.outcomes.outcomes(), not_shown.0.outcomes.outcomes());
    assert_eq!(shown.1.fences(), not_shown.1.fences());
    assert_eq!(balances(&shown.0), [100, 200, 300]);
}

#[tokio::test]
async fn what_the_event_source_has_given_up_is_settled_from_the_log_and_said() {
    let (bench, _) = bench(0..5);
    assert_eq!(bench.settle(&deposits([0])).await, [""; 0]);
    let lines = Lines::default();
    let guard = lines.listen();
    let (failed, line) = bench.settle_at(2_000, &deposits([3, 4])).await;
    drop(guard);
    assert_eq!((failed.len(), &line["Settled"], &line["SkippedByEventSource"]), (0, &json!(4), &json!(2)));
    assert_eq!(balances(&bench), [100, 200, 300, 400, 500]);
    let traced = bench.outcomes.outcomes().iter().all(|outcome| outcome.traceparent.is_some());
    assert!(traced, "also what was read from the log keeps its trace");
    let expected = "records that the event source did not deliver were read from the log and settled";
    assert_eq!(said(&lines, "WARN"), [expected]);
}

#[tokio::test]
async fn an_event_source_that_starts_late_loses_nothing() {
    let (bench, _) = bench(0..3);
    assert_eq!(bench.settle(&deposits([2])).await, [""; 0]);
    assert_eq!(balances(&bench), [100, 200, 300]);
}

#[tokio::test]
async fn a_gap_of_more_than_is_read_at_once_is_closed_delivery_by_delivery() {
    let (bench, _) = bench(0..6);
    bench.outcomes.read_at_most(2);
    let lines = Lines::default();
    let guard = lines.listen();
    for (settled, left) in [(2, 1), (4, 1), (6, 0)] {
        // Minutes apart, and yet nobody is woken: the partition goes on.
        let (failed, line) = bench.settle_at(2_000 + settled * 200_000, &deposits([5])).await;
        assert_eq!((failed.len(), balances(&bench).len() as i64), (left, settled));
        assert_eq!(line["PartitionsFailing"], json!(0), "{line}");
    }
    drop(guard);
    assert_eq!(said(&lines, "ERROR"), [""; 0]);
}

#[tokio::test]
async fn what_is_gone_from_the_log_stops_its_partition_and_is_never_stepped_over() {
    let (bench, _) = bench(0..5);
    assert_eq!(bench.settle(&deposits([0])).await, [""; 0]);
    bench.outcomes.truncate(0, 3);
    let lines = Lines::default();
    let guard = lines.listen();
    for _delivery in 0..3 {
        assert_eq!(bench.settle(&deposits([3, 4])).await, ["passbook.commands-0@3", "passbook.commands-0@4"]);
    }
    drop(guard);
    let errors = said(&lines, "ERROR");
    assert_eq!(errors.len(), 1, "{errors:?}");
    for part in [
        "the next to apply is 1",
        "begins at offset 3",
        "what stood from offset 1 on up to there is gone",
        "passbook topics delete",
    ] {
        assert!(errors[0].contains(part), "{part}: {}", errors[0]);
    }
    assert_eq!(balances(&bench), [100]);
}

#[tokio::test]
async fn a_log_that_does_not_tell_is_asked_again() {
    let (bench, _) = bench(0..3);
    let away = StretchError::Unavailable { partition: 0, reason: "no broker".to_owned() };
    bench.outcomes.fail_readings(Some(away));
    let lines = Lines::default();
    let guard = lines.listen();
    assert_eq!(bench.settle(&deposits([1, 2])).await, ["passbook.commands-0@1", "passbook.commands-0@2"]);
    drop(guard);
    assert_eq!(said(&lines, "ERROR"), [""; 0]);
    let warnings = said(&lines, "WARN");
    assert!(warnings[0].contains("no broker") && warnings[0].contains("allowed to read"), "{warnings:?}");
    bench.outcomes.fail_readings(None);
    assert_eq!(bench.settle(&deposits([1, 2])).await, [""; 0]);
    assert_eq!(balances(&bench), [100, 200, 300]);
}

#[tokio::test]
async fn nothing_is_taken_from_another_log_than_the_event_source_reads() {
    let (bench, _) = bench([0, 1]);
    let mut other = deposit(2, "alice");
    other["timestamp"] = json!(1_999);
    bench.log([other]);
    let lines = Lines::default();
    let guard = lines.listen();
    assert_eq!(bench.settle(&deposits([2])).await, ["passbook.commands-0@2"]);
    drop(guard);
    let errors = said(&lines, "ERROR");
    assert!(errors[0].contains("names another cluster than the event source"), "{errors:?}");
    assert_eq!(balances(&bench), [0; 0]);
}

#[tokio::test]
async fn samples_stand_in_no_log() {
    let bench = Bench::new();
    let event = json!({ "records": { "passbook.samples-60001": [deposit(2, "alice")] } }).to_string();
    let deadlines = Deadlines::within(Duration::from_secs(60), Instant::now());
    let event = serde_json::from_str(&event).unwrap();
    let (response, _) = bench.settler.settle(event, Timestamp::from_epoch_ms(2_000), deadlines).await;
    assert_eq!((response.batch_item_failures.len(), bench.outcomes.readings()), (1, 0));
}
