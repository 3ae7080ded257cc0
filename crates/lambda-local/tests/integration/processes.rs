//! Processes: their deaths, ours, and an orderly end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use futures::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Stack, TEMPLATE, folder, is_alive, request, run_into, until};

async fn pid_of(stack: &Stack, function: &str) -> i32 {
    stack.get(&format!("{function}/echo")).await;
    stack.environments(function).await[0].0
}

#[tokio::test]
async fn a_killed_function_is_replaced_and_its_callers_hear_at_once() {
    let stack = Stack::start(&[]);
    let pid = pid_of(&stack, "multi").await;
    let killed = async {
        until("a busy environment", async || stack.environments("multi").await[0].1 == "busy").await;
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    };
    let (answer, ()) = tokio::join!(stack.get("multi/sleep/900"), killed);
    assert_eq!(answer, (502, "Internal Server Error".to_owned()));
    until("a new process", async || {
        let now = stack.environments("multi").await;
        now.len() == 1 && now[0].0 != pid && now[0].1 == "idle"
    })
    .await;
    assert_eq!(stack.get("multi/echo").await.0, 200);
}

#[tokio::test]
async fn functions_die_with_the_program_even_when_it_is_killed() {
    let mut stack = Stack::start(&[]);
    let pids = [pid_of(&stack, "multi").await, pid_of(&stack, "single").await];
    stack.program.child.kill().unwrap();
    until("their end", async || !pids.iter().any(|pid| is_alive(*pid))).await;
}

#[tokio::test]
async fn asked_to_stop_it_finishes_what_runs_and_leaves_nothing_behind() {
    let mut stack = Stack::start(&[]);
    let pid = pid_of(&stack, "multi").await;
    let stop = async {
        until("a busy environment", async || stack.environments("multi").await[0].1 == "busy").await;
        stack.program.signal(Signal::SIGTERM);
    };
    let (answer, ()) = tokio::join!(stack.get("multi/sleep/500"), stop);
    assert_eq!(answer, (200, "\"slept\"".to_owned()));
    assert!(stack.program.log_says("waiting for 1 of multi"), "it says what it waits for");
    let status = tokio::task::spawn_blocking(move || {
        let status = stack.program.child.wait().unwrap();
        (status, stack)
    });
    let (status, _stack) = tokio::time::timeout(Duration::from_secs(10), status).await.expect("its end").unwrap();
    assert!(status.success() && !is_alive(pid), "{status}");
}

#[tokio::test]
async fn asked_twice_it_ends_at_once_and_its_functions_with_it() {
    let mut stack = Stack::of(&TEMPLATE.replace("Timeout: 1", "Timeout: 60"), &[]);
    let pid = pid_of(&stack, "multi").await;
    let (url, signal) = (format!("{}/lambda-url/multi/sleep/60000", stack.program.url), Signal::SIGTERM);
    tokio::spawn(async move { request("GET", &url, &[], b"").await });
    until("a busy environment", async || stack.environments("multi").await[0].1 == "busy").await;
    stack.program.signal(signal);
    until("its patience", async || stack.program.log_says("waiting for 1 of multi (65 s at most)")).await;
    stack.program.signal(signal);
    let mut status = None;
    until("its end", async || {
        status = stack.program.child.try_wait().unwrap();
        status.is_some()
    })
    .await;
    assert_eq!(status.and_then(|status| status.code()), Some(130));
    until("the function's end", async || !is_alive(pid)).await;
}

#[tokio::test]
async fn nobody_waits_for_the_reader_of_standard_output() {
    let folder = folder(TEMPLATE);
    let path = folder.path().to_str().unwrap();
    let template = format!("{path}/template.yaml");
    let arguments = ["start", "--listen", "127.0.0.1:0", "--template", &template, "--binaries", path];
    let mut program = run_into(Stdio::piped(), &arguments);
    // Several times what a pipe holds.
    let url = format!("{}/lambda-url/multi/echo", program.url);
    let answers = join_all((0..1_000).map(|_| request("GET", &url, &[], b"")));
    let answers = tokio::time::timeout(Duration::from_secs(60), answers).await.expect("answers");
    assert!(answers.iter().all(|(response, _)| response.status() == 200));
    let output = BufReader::new(program.child.stdout.take().unwrap());
    let read = tokio::task::spawn_blocking(move || {
        let reports = output.lines().map_while(Result::ok).filter(|line| line.starts_with("multi | REPORT "));
        reports.take(1_000).count()
    });
    let reports = tokio::time::timeout(Duration::from_secs(60), read).await.expect("every line").unwrap();
    assert_eq!(reports, 1_000, "late is not lost");
}

#[tokio::test]
async fn an_event_source_that_is_not_enabled_is_not_said_to_feed() {
    let events = "Events: {Records: {Type: MSK, Properties: {Stream: 'arn:aws:kafka:eu-west-1:1:cluster/c/1', Topics: [t], \
                  ConsumerGroupId: g, StartingPosition: LATEST, Enabled: false}}}";
    let closed = "{ReservedConcurrentExecutions: 0}";
    let template = TEMPLATE.replace(closed, &format!("{{ReservedConcurrentExecutions: 0, {events}}}"));
    let stack = Stack::of(&template, &[]);
    assert!(stack.program.log_says("functions/closed/invocations") && !stack.program.log_says("is fed from topic"));
}

#[test]
fn nonsense_is_refused_at_the_door_with_all_of_it() {
    let start = |template: &str, arguments: &[&str]| {
        let folder = folder(template);
        let path = folder.path().to_str().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-local"));
        command.args([
            "start",
            "--listen",
            "127.0.0.1:0",
            "--binaries",
            path,
            "--template",
            &format!("{path}/template.yaml"),
        ]);
        let output = command.args(arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let function = |properties: &str| {
        format!(
            "Resources: {{F: {{Type: 'AWS::Serverless::Function', Properties: {{Runtime: provided.al2023, {properties}}}}}}}"
        )
    };
    let says = start(&function("Timeout: 0, MemorySize: 1, Nope: 1"), &[]);
    for path in ["F.Properties.Timeout", "F.Properties.MemorySize", "F.Properties.Nope"] {
        assert!(says.contains(path), "{says}");
    }
    assert!(start(&function("Timeout: 3"), &[]).contains("functions without a program"));
    assert!(start(&function("Timeout: 3"), &["--parameter", "X=1"]).contains("--parameter X"));
    let unknown = start(&function("Timeout: 3"), &["--function", "G"]);
    assert!(unknown.contains("--function G") && unknown.contains("it has F"), "{unknown}");
    assert!(start("{", &[]).contains("not readable YAML"));
    assert!(start("Resources: {}", &[]).contains("holds no AWS::Serverless::Function"));
}

#[tokio::test]
async fn only_the_functions_asked_for_run() {
    // By the binary's name and by `FunctionName`.
    let stack = Stack::start(&["--function", "multi", "--function", "the-single-one"]);
    assert_eq!((stack.get("multi/echo").await.0, stack.get("single/echo").await.0), (200, 200));
    assert_eq!(stack.get("closed/echo").await.0, 403, "no such URL");
    let status = stack.program.status().await;
    let names: Vec<_> = status["functions"].as_array().unwrap().iter().map(|function| &function["name"]).collect();
    assert_eq!(names, ["multi", "single"]);
}
