//! A function for lambda-local's own tests: does as its event says. An HTTP event says it in its path.
//!
//! `echo`, `sleep/<ms>`, `fail`, `panic`, `exit/<code>`, `abort`, `big/<bytes>`, `stream/<bytes>`, `break-off`, `environment`,
//! `folder`, `context`, `print/<ms>`;
//! a Kafka event is appended to the file `RECORD_TO` and fails, or is held, as the file `FAIL_WITH` says. With `FAIL_INIT`
//! it ends before its start.

use std::io::Write as _;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if let Ok(code) = std::env::var("FAIL_INIT") {
        std::process::exit(code.parse().unwrap_or(1));
    }
    println!("the function starts");
    lambda_runtime::run_concurrent(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let LambdaEvent { payload, context } = event;
    if payload.get("records").is_some() {
        return records(&payload).await;
    }
    println!("request {}", context.request_id);
    let path = payload.get("rawPath").or(payload.get("do")).and_then(Value::as_str).unwrap_or("/echo").to_owned();
    let (verb, argument) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let number: u64 = argument.parse().unwrap_or_default();
    match verb {
        "echo" => Ok(payload),
        "http" => {
            Ok(json!({"statusCode": 201, "headers": {"x-made-by": "test"}, "cookies": ["a=1", "b=2"], "body": "made"}))
        }
        "malformed" => Ok(json!({"statusCode": "none"})),
        "sleep" => {
            tokio::time::sleep(Duration::from_millis(number)).await;
            Ok(json!("slept"))
        }
        "fail" => Err("as asked".into()),
        "panic" => panic!("as asked"),
        "exit" => std::process::exit(i32::try_from(number).unwrap_or(1)),
        "abort" => std::process::abort(),
        "big" => Ok(json!("x".repeat(usize::try_from(number)?))),
        "stream" => stream(&context.request_id, usize::try_from(number)?).await,
        "break-off" => break_off(&context.request_id).await,
        "print" => {
            println!("with the id {}, after {number} ms", context.request_id);
            println!("without any, after {number} ms");
            tokio::time::sleep(Duration::from_millis(number)).await;
            Ok(json!("printed"))
        }
        "environment" => Ok(std::env::vars().collect()),
        "folder" => Ok(json!(std::env::current_dir()?)),
        "context" => {
            println!("client context: {:?}", context.client_context.as_ref().map(|client| &client.custom));
            Ok(json!({
                "deadline": context.deadline, "arn": context.invoked_function_arn, "id": context.request_id,
                "trace": context.xray_trace_id, "pid": std::process::id(), "client": context.client_context,
            }))
        }
        other => Err(format!("no such verb: {other}").into()),
    }
}

/// Answers with a JSON text, streamed; what is answered after that is refused.
async fn stream(request_id: &str, bytes: usize) -> Result<Value, Error> {
    let body = format!("\"{}\"", "x".repeat(bytes));
    answer(request_id, &format!("Content-Length: {}\r\n\r\n{body}", body.len())).await
}

/// Begins to stream an answer, and says at its end that it came to nothing.
async fn break_off(request_id: &str) -> Result<Value, Error> {
    // {"errorMessage":"half way","errorType":"Custom"}
    let described = "eyJlcnJvck1lc3NhZ2UiOiJoYWxmIHdheSIsImVycm9yVHlwZSI6IkN1c3RvbSJ9";
    let head =
        "Transfer-Encoding: chunked\r\nTrailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body";
    let trailers =
        format!("Lambda-Runtime-Function-Error-Type: Custom\r\nLambda-Runtime-Function-Error-Body: {described}\r\n");
    answer(request_id, &format!("{head}\r\n\r\n5\r\n\"half\r\n0\r\n{trailers}\r\n")).await
}

/// Answers over a connection of its own, with more headers and a body.
async fn answer(request_id: &str, rest: &str) -> Result<Value, Error> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API")?;
    let mut connection = tokio::net::TcpStream::connect(&api).await?;
    let head = format!(
        "POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\r\nHost: {api}\r\n\
         Lambda-Runtime-Function-Response-Mode: streaming\r\n{rest}"
    );
    connection.write_all(head.as_bytes()).await?;
    let mut status = [0; 12];
    connection.read_exact(&mut status).await?;
    Ok(json!(String::from_utf8_lossy(&status)))
}

/// Appends one line per record (`partition offset value`), then answers as the file `FAIL_WITH` says: `error`, a list of
/// `partition:offset` to report as failed, or `hold`, which is to wait until it says something else.
async fn records(event: &Value) -> Result<Value, Error> {
    let mut lines = String::new();
    let partitions = event["records"].as_object().ok_or("no records")?;
    let mut present = vec![];
    for record in partitions.values().flat_map(|records| records.as_array().into_iter().flatten()) {
        lines +=
            &format!("{} {} {}\n", record["partition"], record["offset"], record["value"].as_str().unwrap_or("null"));
        present.push(format!("{}:{}", record["partition"], record["offset"]));
    }
    lines += "--\n";
    let path = std::env::var("RECORD_TO")?;
    std::fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(lines.as_bytes())?;
    let fail_with =
        || std::env::var("FAIL_WITH").ok().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    while fail_with().trim() == "hold" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let fail_with = fail_with();
    if fail_with.trim() == "error" {
        return Err("as asked".into());
    }
    let failed = fail_with.split_whitespace().filter(|item| present.iter().any(|known| known == item));
    let failures = failed.filter_map(|item| item.split_once(':')).map(|(partition, offset)| {
        let offset: i64 = offset.parse().unwrap_or(-1);
        json!({"itemIdentifier": {"partition": format!("{}-{partition}", std::env::var("TOPIC").unwrap_or_default()), "offset": offset}})
    });
    Ok(json!({"batchItemFailures": failures.collect::<Vec<_>>()}))
}
