//! The Invoke API.

use std::process::Command;

use base64::Engine as _;
use futures::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Stack, TEMPLATE, folder, json, run, text, until};

#[tokio::test]
async fn a_function_answers_to_all_its_names() {
    let stack = Stack::start(&[]);
    for name in
        ["single", "Single", "the-single-one", "single:live", "arn:aws:lambda:eu-west-1:123456789012:function:single"]
    {
        let (response, body) = stack.invoke(name, &[], br#"{"do":"echo","n":1}"#).await;
        assert_eq!((response.status().as_u16(), json(body)), (200, json!({"do": "echo", "n": 1})), "{name}");
        assert_eq!(response.headers()["x-amz-executed-version"], "$LATEST");
    }
}

#[tokio::test]
async fn what_cannot_be_invoked_is_refused_as_aws_does() {
    let stack = Stack::start(&[]);
    let status = async |function: &str, headers: &[(&str, &str)], body: &[u8]| {
        let (response, _) = stack.invoke(function, headers, body).await;
        let kind = response.headers().get("x-amzn-errortype").map(|kind| kind.to_str().unwrap().to_owned());
        (response.status().as_u16(), kind.unwrap_or_default())
    };
    assert_eq!(status("nobody", &[], b"{}").await, (404, "ResourceNotFoundException".to_owned()));
    assert_eq!(status("single", &[], b"{").await, (400, "InvalidRequestContentException".to_owned()));
    assert_eq!(status("single", &[], &vec![b'1'; 7_000_000]).await, (413, "RequestTooLargeException".to_owned()));
    assert_eq!(status("closed", &[], b"{}").await, (429, "TooManyRequestsException".to_owned()));
    let event = [("x-amz-invocation-type", "Event")];
    assert_eq!(status("single", &event, &vec![b'1'; 1_100_000]).await.0, 413);
    assert_eq!(status("single", &[("x-amz-invocation-type", "Later")], b"{}").await.0, 400);
    assert_eq!(status("single", &[("x-amz-invocation-type", "DryRun")], b"{}").await.0, 204);
}

#[tokio::test]
async fn an_event_is_accepted_at_once_and_tried_again_when_it_fails() {
    let stack = Stack::start(&[]);
    let (response, body) = stack.invoke("single", &[("x-amz-invocation-type", "Event")], br#"{"do":"fail"}"#).await;
    assert_eq!((response.status().as_u16(), body.len()), (202, 0));
    until("three tries", async || stack.function_log("single").matches("REPORT").count() == 3).await;
    until("giving up", async || stack.program.log_says("given up")).await;
}

#[tokio::test]
async fn an_event_for_a_function_that_is_reserved_to_nothing_is_given_up_at_once() {
    let stack = Stack::start(&[]);
    let (response, _) = stack.invoke("closed", &[("x-amz-invocation-type", "Event")], b"{}").await;
    assert_eq!(response.status().as_u16(), 202);
    until("giving up", async || stack.program.log_says("given up")).await;
}

#[tokio::test]
async fn the_events_of_one_function_take_no_places_of_another_and_are_counted_when_they_are_lost() {
    let stack = Stack::of(&TEMPLATE.replace("Timeout: 1", "Timeout: 60"), &[]);
    let event = [("x-amz-invocation-type", "Event")];
    let slow = || async { stack.invoke("single", &event, br#"{"do":"sleep/60000"}"#).await.0.status().as_u16() };
    let first = join_all((0..1_000).map(|_| slow())).await;
    assert!(first.iter().all(|status| *status == 202));
    assert_eq!(slow().await, 429, "a thousand are kept");
    assert_eq!(stack.invoke("multi", &event, b"{}").await.0.status().as_u16(), 202);
    until("the one of the other function", async || stack.function_log("multi").contains("REPORT")).await;
    let pid = stack.environments("single").await[0].0;
    stack.program.signal(Signal::SIGTERM);
    until("its patience", async || stack.program.log_says("waiting for 1 of single")).await;
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    until("the count", async || stack.program.log_says("are lost")).await;
    let log = stack.program.log.lock().unwrap();
    let line = log.iter().find(|line| line.contains("are lost")).unwrap();
    assert!(line.contains("single") && line.contains("events=1000"), "{line}");
}

#[tokio::test]
async fn a_streamed_answer_is_bounded_by_what_its_caller_takes() {
    let stack = Stack::start(&[]);
    let (response, body) = stack.invoke("multi", &[], br#"{"do":"stream/7000000"}"#).await;
    assert_eq!(response.headers()["x-amz-function-error"], "Unhandled");
    assert!(text(body).contains("6291556 bytes"));
    assert_eq!(stack.get("multi/stream/7000000").await.0, 502, "its URL does not stream");
    let config = "FunctionUrlConfig: {AuthType: NONE, InvokeMode: RESPONSE_STREAM}";
    let streams = Stack::of(&TEMPLATE.replace("FunctionUrlConfig: {AuthType: NONE}", config), &[]);
    let (status, body) = streams.get("multi/stream/7000000").await;
    assert_eq!((status, body.len()), (200, 7_000_002));
}

#[tokio::test]
async fn a_streamed_answer_that_ends_in_an_error_is_one() {
    let stack = Stack::start(&[]);
    let (response, body) = stack.invoke("multi", &[], br#"{"do":"break-off"}"#).await;
    assert_eq!(response.headers()["x-amz-function-error"], "Unhandled");
    assert_eq!(json(body), json!({"errorMessage": "half way", "errorType": "Custom"}));
    assert_eq!(stack.get("multi/break-off").await.0, 502);
}

#[tokio::test]
async fn every_answer_says_the_id_of_its_request() {
    let stack = Stack::start(&[]);
    let id = |response: &http::Response<()>| response.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
    let (response, body) = stack.invoke("single", &[], br#"{"do":"context"}"#).await;
    assert_eq!(json(body)["id"], id(&response), "the function's own");
    for (function, headers, body) in [
        ("single", &[][..], "{"),
        ("nobody", &[], "{}"),
        ("closed", &[], "{}"),
        ("single", &[("x-amz-invocation-type", "DryRun")], "{}"),
        ("single", &[("x-amz-client-context", "x")], "{}"),
    ] {
        let (response, _) = stack.invoke(function, headers, body.as_bytes()).await;
        assert_eq!(id(&response).len(), 36, "{function} {headers:?}");
    }
    let event = [("x-amz-invocation-type", "Event")];
    let accepted = id(&stack.invoke("single", &event, br#"{"do":"echo"}"#).await.0);
    until("the event", async || stack.function_log("single").contains(&format!("END RequestId: {accepted}"))).await;
}

#[tokio::test]
async fn a_client_context_that_is_none_is_refused_and_stops_nobody() {
    let stack = Stack::start(&[]);
    let encoded = |json: &str| base64::engine::general_purpose::STANDARD.encode(json);
    let bad = ["not base64".to_owned(), encoded("{"), encoded("[]"), encoded(r#"{"custom":{"a":1}}"#)];
    // More often than either function has slots.
    for context in bad.iter().cycle().take(12) {
        for function in ["multi", "single"] {
            let (response, body) = stack.invoke(function, &[("x-amz-client-context", context)], b"{}").await;
            assert_eq!(response.status().as_u16(), 400, "{context}");
            assert_eq!(response.headers()["x-amzn-errortype"], "InvalidRequestContentException");
            assert!(json(body)["Message"].as_str().unwrap().starts_with("Client context must be"), "{context}");
        }
    }
    let several_lines = encoded("{\n  \"custom\": {\"a\": \"\u{fc}\"}\n}\n");
    let context = [("x-amz-client-context", several_lines.as_str())];
    for function in ["multi", "single"] {
        let (_, body) = stack.invoke(function, &context, br#"{"do":"context"}"#).await;
        assert_eq!(json(body)["client"]["custom"]["a"], "\u{fc}");
    }
}

#[tokio::test]
async fn an_event_takes_no_client_context_along() {
    let stack = Stack::start(&[]);
    let context = base64::engine::general_purpose::STANDARD.encode(r#"{"custom":{"a":"b"}}"#);
    for context in [context.as_str(), "not base64"] {
        let headers = [("x-amz-invocation-type", "Event"), ("x-amz-client-context", context)];
        assert_eq!(stack.invoke("single", &headers, br#"{"do":"context"}"#).await.0.status().as_u16(), 202);
    }
    until("both events", async || stack.function_log("single").matches("client context: None").count() == 2).await;
}

/// What came with answers to requests of which each asked for its log, several at once.
async fn tails(stack: &Stack, function: &str, requests: usize) -> Vec<(String, String)> {
    let one = || stack.invoke(function, &[("x-amz-log-type", "Tail")], br#"{"do":"print/300"}"#);
    let answers = join_all((0..requests).map(|_| one())).await;
    let tail = |response: http::Response<()>| {
        let log = base64::engine::general_purpose::STANDARD.decode(&response.headers()["x-amz-log-result"]).unwrap();
        (response.headers()["x-amzn-requestid"].to_str().unwrap().to_owned(), String::from_utf8(log).unwrap())
    };
    answers.into_iter().map(|(response, _)| tail(response)).collect()
}

#[tokio::test]
async fn the_end_of_the_log_comes_with_the_answer_and_holds_nobody_elses_lines() {
    let several = TEMPLATE.replace("ReservedConcurrentExecutions: 1,", "ReservedConcurrentExecutions: 4,");
    let folder = folder(&several);
    let path = folder.path().to_str().unwrap();
    let template = format!("{path}/template.yaml");
    let start = ["start", "--template", &template, "--binaries", path, "--listen", "127.0.0.1:0"];
    for arguments in [&start[..], &[&start[..], &["--log-dir", path]].concat()] {
        let stack = Stack { program: run(arguments), folder: tempfile::tempdir().unwrap() };
        for (function, at_once) in [("single", 1), ("single", 4), ("multi", 1), ("multi", 8)] {
            let tails = tails(&stack, function, at_once).await;
            for (id, log) in &tails {
                let ends = [format!("START RequestId: {id}"), format!("END RequestId: {id}")];
                let own = [&ends[0], &ends[1], &format!("with the id {id}"), &format!("REPORT RequestId: {id}")];
                assert!(own.iter().all(|line| log.contains(*line)), "{arguments:?} {function} {at_once}: {log}");
                let others = tails.iter().filter(|(other, _)| other != id && log.contains(other)).count();
                assert_eq!(others, 0, "{arguments:?} {function} {at_once}: {log}");
                let (unnamed, left_out) = (log.contains("without any"), log.contains("are left out"));
                assert!(unnamed != left_out, "{arguments:?} {function} {at_once}: {log}");
                assert!(at_once > 1 || unnamed, "it was alone: {log}");
                assert_eq!(log.matches("without any").count(), usize::from(unnamed), "{log}");
            }
        }
    }
}

#[tokio::test]
async fn the_deadline_is_true_and_the_environment_is_lambdas() {
    let stack = Stack::start(&["--env", "GIVEN=from outside"]);
    let before = lambda_local::clock::epoch_ms();
    let context = json(stack.invoke("multi", &[], br#"{"do":"context"}"#).await.1);
    let deadline = context["deadline"].as_u64().unwrap();
    assert!((before + 900..=lambda_local::clock::epoch_ms() + 1_000).contains(&deadline), "{context}");
    assert_eq!(context["arn"], "arn:aws:lambda:eu-west-1:123456789012:function:multi");
    let variables = json(stack.invoke("multi", &[], br#"{"do":"environment"}"#).await.1);
    let expected = [
        ("MINE", "eu-west-1!"),
        ("GIVEN", "from outside"),
        ("AWS_LAMBDA_FUNCTION_NAME", "multi"),
        ("AWS_LAMBDA_MAX_CONCURRENCY", "8"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("TZ", "UTC"),
        ("_HANDLER", "bootstrap"),
    ];
    for (name, value) in expected {
        assert_eq!(variables[name], value, "{name}");
    }
    let variables = json(stack.invoke("single", &[], br#"{"do":"environment"}"#).await.1);
    assert_eq!(variables.get("AWS_LAMBDA_MAX_CONCURRENCY"), None);
}

#[tokio::test]
async fn the_command_line_invokes_too() {
    let stack = Stack::start(&[]);
    let event = stack.folder.path().join("event.json");
    let invoke = |content: Value, function: &str| {
        std::fs::write(&event, content.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-local"));
        let command = command.args(["invoke", function, event.to_str().unwrap(), "--endpoint", &stack.program.url]);
        let output = command.output().unwrap();
        (output.status.code(), text(output.stdout.into()), text(output.stderr.into()))
    };
    assert_eq!(invoke(json!({"n": 1}), "multi"), (Some(0), "{\"n\":1}\n".to_owned(), String::new()));
    let (code, answer, problem) = invoke(json!({"do": "fail"}), "multi");
    assert!(code == Some(1) && answer.contains("as asked") && problem.contains("failed"), "{answer} {problem}");
    let (code, _, problem) = invoke(json!({}), "nobody");
    assert!(code == Some(1) && problem.contains("cannot be invoked at"), "{problem}");
}

#[tokio::test]
async fn a_client_context_goes_along_from_a_file() {
    let stack = Stack::start(&[]);
    let (event, context) = (stack.folder.path().join("event.json"), stack.folder.path().join("context.json"));
    std::fs::write(&event, r#"{"do":"context"}"#).unwrap();
    let invoke = |written: &str| {
        std::fs::write(&context, written).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-local"));
        command.args(["invoke", "single"]).arg(&event).args(["--endpoint", &stack.program.url]);
        command.arg("--client-context").arg(&context).output().unwrap()
    };
    let output = invoke("{\n  \"custom\": {\"branch\": \"Z\\u00fcrich\"}\n}\n");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(told["client"]["custom"]["branch"], "Z\u{fc}rich", "on several lines as on one: {told}");
    for (written, why) in [("{", "is not JSON"), ("{\"custom\": {\"branch\": \"Z\u{fc}rich\"}}", "is not ASCII")] {
        let output = invoke(written);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(why), "{said}");
    }
}
