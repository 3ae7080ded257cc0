//! A log that is not there, and one that comes back.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use ledger::AccountId;
use ledger_log::{AppendError, CommandLog, NewRecord, OutcomeLog, OutcomeRecord, PublishError};

use crate::broker::{cluster, kafka};

/// An address where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn account() -> AccountId {
    "alice".parse().unwrap()
}

#[tokio::test]
async fn without_a_broker_the_generation_is_unavailable_within_the_time_out() {
    let log = cluster(&nobody(), 500).await.command_log().unwrap();
    let started = Instant::now();
    // Sixty-four requests at once wait for one reading, not one after the other.
    let all = futures::future::join_all((0..64).map(|_| log.generation())).await;
    assert!(started.elapsed() < Duration::from_secs(3), "took {:?}", started.elapsed());
    for result in all {
        let error = result.unwrap_err();
        assert!(matches!(&error, AppendError::Unavailable { reason } if reason.contains("refused")), "{error}");
        assert!(!error.maybe_recorded() && error.retry_helps());
    }
}

#[tokio::test]
async fn without_a_broker_an_append_is_unconfirmed_within_the_time_out() {
    let log = cluster(&nobody(), 500).await.command_log().unwrap();
    let started = Instant::now();
    let record = NewRecord { account: &account(), generation: 1, value: b"{}", traceparent: None };
    let error = log.append(record).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(3), "took {:?}", started.elapsed());
    assert!(
        matches!(&error, AppendError::Unconfirmed { timeout_ms: 500, reason } if reason.contains("refused")),
        "{error}"
    );
    assert!(error.maybe_recorded() && error.retry_helps());
}

#[tokio::test]
async fn without_a_broker_outcomes_are_unconfirmed() {
    let log = cluster(&nobody(), 500).await.outcome_log(Duration::from_millis(500)).unwrap();
    let record = OutcomeRecord { account: Some(account()), value: b"{}".to_vec(), traceparent: None };
    let error = log.publish(&[record.clone(), record]).await.unwrap_err();
    assert!(matches!(&error, PublishError::Unconfirmed { failed: 2, records: 2, .. }), "{error}");
}

#[tokio::test]
async fn a_log_that_comes_back_is_written_to_by_the_same_client() {
    let broker = kafka().await;
    broker.begin(5).await;
    let address = nobody();
    let log = cluster(&address, 1_000).await.command_log().unwrap();
    assert!(matches!(log.generation().await, Err(AppendError::Unavailable { .. })));
    assert!(matches!(log.ping().await, Err(AppendError::Unavailable { .. })));
    forward(&address, broker.address.clone());
    let generation = log.generation().await.unwrap();
    let record = NewRecord { account: &account(), generation, value: b"{}", traceparent: None };
    // The client may be waiting to connect again, at most a second.
    let first = log.append(record).await;
    let appended = if first.is_ok() { first } else { log.append(record).await };
    assert_eq!(appended.unwrap().position.generation(), 5);
    assert_eq!(log.ping().await, Ok(()));
}

/// Listens and passes everything on, for as long as the test process lives.
fn forward(from: &str, to: String) {
    let listener = TcpListener::bind(from).unwrap();
    std::thread::spawn(move || -> io::Result<()> {
        for client in listener.incoming() {
            let (client, server) = (client?, TcpStream::connect(&to)?);
            pump(client.try_clone()?, server.try_clone()?);
            pump(server, client);
        }
        Ok(())
    });
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || io::copy(&mut from, &mut to));
}
