//! What was applied and not published.

use ledger_log::StretchError;

use super::*;

/// Books that have deposits of alice's at offsets 0 and 1 of partition 0 whose outcomes were not published.
async fn with_two_missed() -> (Bench, MemoryStore) {
    let books = MemoryStore::default();
    let bench = Bench::on(books.clone());
    bench.log((0..6).map(|offset| deposit(offset, "alice")));
    bench.outcomes.fail_publications(Some(PublishError::Misconfigured { reason: "no broker".to_owned() }));
    assert_eq!(bench.settle(&deposits([0, 1])).await.len(), 2);
    bench.outcomes.fail_publications(None);
    (bench, books)
}

fn balances(bench: &Bench) -> Vec<i64> {
    let balance =
        |outcome: &OutcomeRecord| serde_json::from_slice::<Value>(&outcome.value).unwrap()["balance"].as_i64().unwrap();
    bench.outcomes.outcomes().iter().map(balance).collect()
}

fn published(books: &MemoryStore) -> u64 {
    books.fences()[0].published
}

#[tokio::test]
async fn what_an_earlier_delivery_did_not_publish_is_published_from_the_log_and_the_books() {
    let (bench, books) = with_two_missed().await;
    // The event source has given the first batch up.
    let (failed, line) = bench.settle_at(2_000, &deposits([2])).await;
    assert_eq!((failed.len(), &line["OutcomesUnpublished"]), (0, &json!(0)));
    assert_eq!(balances(&bench), [300, 100, 200], "what is new first");
    assert_eq!(published(&books), 3);
    assert_eq!(bench.settle(&deposits([3])).await, [""; 0]);
    assert_eq!((balances(&bench).len(), bench.outcomes.readings()), (4, 1), "once it is published it is done");
}

#[tokio::test]
async fn what_is_more_than_is_read_at_once_is_read_on() {
    let (bench, books) = with_two_missed().await;
    bench.outcomes.read_at_most(1);
    let (failed, line) = bench.settle_at(2_000, &deposits([2])).await;
    assert_eq!((failed.len(), &line["OutcomesUnpublished"], published(&books)), (0, &json!(0), 3));
    assert_eq!((balances(&bench).as_slice(), bench.outcomes.readings()), (&[300, 100, 200][..], 2));
}

#[tokio::test]
async fn outcomes_whose_commands_are_gone_from_the_log_are_said_once_and_hold_nothing_up() {
    let (bench, books) = with_two_missed().await;
    bench.outcomes.truncate(0, 1);
    let lines = Lines::default();
    let guard = lines.listen();
    let (failed, line) = bench.settle_at(2_000, &deposits([2])).await;
    assert_eq!((failed.len(), &line["OutcomesLost"], &line["OutcomesUnpublished"]), (0, &json!(1), &json!(1)));
    assert_eq!(published(&books), 1);
    let (_, line) = bench.settle_at(2_000, &deposits([3])).await;
    drop(guard);
    assert_eq!((&line["OutcomesLost"], published(&books)), (&json!(0), 4));
    let errors = lines.of_level("ERROR");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!((&errors[0]["offset"], &errors[0]["records"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn a_log_that_is_away_holds_up_nothing_that_is_new_and_is_not_asked_each_time() {
    let (bench, books) = with_two_missed().await;
    bench.outcomes.fail_readings(Some(StretchError::Unavailable { partition: 0, reason: "no broker".to_owned() }));
    for (now_ms, offset, readings) in [(2_000, 2, 1), (31_999, 3, 1), (32_000, 4, 2)] {
        let (failed, line) = bench.settle_at(now_ms, &deposits([offset])).await;
        assert_eq!((failed.len(), bench.outcomes.readings()), (0, readings), "at {now_ms}");
        assert_eq!(line["OutcomesUnpublished"], offset);
    }
    bench.outcomes.fail_readings(None);
    let (_, line) = bench.settle_at(62_000, &deposits([5])).await;
    assert_eq!((&line["OutcomesUnpublished"], published(&books)), (&json!(0), 6));
}

#[tokio::test]
async fn an_outcome_that_is_too_large_is_published_as_a_stub() {
    let bench = Bench::new();
    bench.outcomes.take_outcomes_up_to(500);
    let reference = "r".repeat(256);
    let body = json!({ "type": "deposit", "account": "alice", "amount": 5, "currency": "EUR", "reference": reference });
    let (failed, line) = bench.settle_at(2_000, &[(0, deposit(0, "alice")), (0, command(1, body))]).await;
    assert_eq!((failed.len(), &line["Settled"], &line["OutcomesTooLarge"]), (0, &json!(2), &json!(1)));
    let stub: Value = serde_json::from_slice(&bench.outcomes.outcomes()[1].value).unwrap();
    let id = "alice.000g000000000001";
    assert_eq!((&stub["id"], &stub["status"], &stub["stub"]), (&json!(id), &json!("posted"), &json!(true)));
    assert_eq!(stub["position"], "000g000000000001");
    assert!(stub["detail"].as_str().unwrap().ends_with(&format!("GET /transactions/{id} has all of it")), "{stub}");
    assert_eq!(bench.outcomes.outcomes()[1].account.as_ref().unwrap().as_str(), "alice");
}

#[tokio::test]
async fn a_topic_that_takes_not_even_a_stub_is_said_and_its_partition_comes_again() {
    let bench = Bench::new();
    bench.outcomes.take_outcomes_up_to(10);
    let lines = Lines::default();
    let guard = lines.listen();
    assert_eq!(bench.settle(&deposits([0])).await, ["passbook.commands-0@0"]);
    drop(guard);
    let errors = lines.of_level("ERROR");
    assert!(errors[0]["message"].as_str().unwrap().contains("raise its max.message.bytes"), "{errors:?}");
}
