//! Functions that fail, in every way they can.

use std::time::{Duration, Instant};

use crate::support::{Stack, json, until};

#[tokio::test]
async fn every_error_is_502_at_the_url_and_described_at_the_invoke_api() {
    let stack = Stack::start(&[]);
    let cases = [
        ("fail", "as asked"),
        ("panic", "Lambda panicked: as asked"),
        ("exit/3", "Runtime exited with error: exit status 3"),
        ("exit/0", "Runtime exited without providing a reason"),
        ("abort", "signal: aborted"),
        ("big/7000000", "6291556 bytes"),
        ("sleep/5000", "Task timed out after 1.00 seconds"),
    ];
    for function in ["multi", "single"] {
        for (verb, message) in cases {
            assert_eq!(
                stack.get(&format!("{function}/{verb}")).await,
                (502, "Internal Server Error".to_owned()),
                "{verb}"
            );
            let (response, body) = stack.invoke(function, &[], format!(r#"{{"do":"{verb}"}}"#).as_bytes()).await;
            assert_eq!(response.status().as_u16(), 200);
            assert_eq!(response.headers()["x-amz-function-error"], "Unhandled");
            let error = json(body);
            assert!(error["errorMessage"].as_str().unwrap().contains(message), "{function} {verb}: {error}");
            assert_eq!(stack.get(&format!("{function}/echo")).await.0, 200, "it serves on after {verb}");
        }
        assert_eq!(stack.get(&format!("{function}/malformed")).await.0, 502);
    }
    assert!(stack.function_log("multi").contains("Status: timeout"));
}

#[tokio::test]
async fn a_time_out_comes_in_time_and_replaces_a_single_environment() {
    let stack = Stack::start(&[]);
    stack.get("single/echo").await;
    let before = stack.environments("single").await;
    let start = Instant::now();
    assert_eq!(stack.get("single/sleep/60000").await.0, 502);
    assert!((Duration::from_secs(1)..Duration::from_millis(2_500)).contains(&start.elapsed()), "{:?}", start.elapsed());
    until("a new process", async || {
        let now = stack.environments("single").await;
        now.len() == 1 && now[0].0 != before[0].0 && now[0].1 == "idle"
    })
    .await;
}

#[tokio::test]
async fn a_time_out_among_several_leaves_the_process_alone_and_refuses_the_stale_answer() {
    let stack = Stack::start(&[]);
    stack.get("multi/echo").await;
    let before = stack.environments("multi").await;
    let (timed_out, served) = tokio::join!(stack.get("multi/sleep/1500"), stack.get("multi/sleep/500"));
    assert_eq!((timed_out.0, served.0), (502, 200));
    until("the slot's return", async || stack.environments("multi").await[0].1 == "idle").await;
    assert_eq!(stack.environments("multi").await[0].0, before[0].0);
    until("the refusal", async || stack.function_log("multi").contains("410")).await;
}

#[tokio::test]
async fn a_function_that_cannot_start_says_so_and_is_not_started_without_end() {
    let stack = Stack::start(&["--env", "FAIL_INIT=7"]);
    for _ in 0..3 {
        let (response, body) = stack.invoke("single", &[], b"{}").await;
        assert_eq!(response.headers()["x-amz-function-error"], "Unhandled");
        assert!(json(body)["errorMessage"].as_str().unwrap().contains("exit status 7"));
    }
    let starts = stack.program.log.lock().unwrap().iter().filter(|line| line.contains("process ended")).count();
    assert!(starts <= 4, "{starts} starts for three requests");
}
