//! Concurrency, waiting, throttling.

use futures::future::join_all;

use crate::support::Stack;

#[tokio::test]
async fn without_a_waiting_room_what_is_above_the_limit_is_throttled() {
    let stack = Stack::start(&["--max-waiting", "0"]);
    assert_eq!(stack.get("single/echo").await.0, 200, "a cold start is no throttle");
    let answers = join_all((0..4).map(|_| stack.get("single/sleep/300"))).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.0 == status).count();
    assert_eq!((count(200), count(429)), (1, 3));
    assert!(answers.iter().any(|answer| answer.1.contains("Rate Exceeded")));
}

#[tokio::test]
async fn the_waiting_room_serves_everyone_in_the_end() {
    let stack = Stack::start(&[]);
    let answers = join_all((0..300).map(|_| stack.get("multi/sleep/5"))).await;
    assert!(answers.iter().all(|answer| answer.0 == 200));
    assert_eq!(stack.environments("multi").await.len(), 1, "one environment takes them eight at a time");
}

#[tokio::test]
async fn who_waited_long_enough_is_throttled() {
    let stack = Stack::start(&["--max-wait-ms", "100"]);
    let answers = join_all((0..2).map(|_| stack.get("single/sleep/600"))).await;
    let mut statuses: Vec<u16> = answers.into_iter().map(|answer| answer.0).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 429]);
}

#[tokio::test]
async fn a_function_reserved_to_nothing_is_always_throttled() {
    let stack = Stack::start(&[]);
    assert_eq!(stack.get("closed/echo").await.0, 429);
}
