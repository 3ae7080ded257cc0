//! A log that is not there, and one that comes back.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use ledger::AccountId;
use ledger_log::{AppendError, CommandLog, OutcomeLog, OutcomeRecord, PublishError};

use crate::broker::{TIMEOUT, append, cluster, kafka};
use crate::mock::{begin_on, mock_log};

/// An address where nobody listens.
pub(crate) fn nobody() -> String {
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
    let all = futures::future::join_all((0..64).map(|_| append(&log))).await;
    assert!(started.elapsed() < Duration::from_secs(3), "took {:?}", started.elapsed());
    for result in all {
        let error = result.unwrap_err();
        assert!(matches!(&error, AppendError::Unavailable { reason } if reason.contains("refused")), "{error}");
        assert!(!error.maybe_recorded() && error.retry_helps());
    }
}

#[tokio::test]
async fn without_a_broker_outcomes_are_unconfirmed() {
    let log = cluster(&nobody(), 500).await.outcome_log(Duration::from_millis(500)).unwrap();
    let record = OutcomeRecord { account: Some(account()), value: b"{}".to_vec(), traceparent: None };
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    let error = log.publish(&[record.clone(), record], until).await.unwrap_err();
    assert!(matches!(&error, PublishError::Unconfirmed { failed: 2, records: 2, .. }), "{error}");
}

#[tokio::test]
async fn a_log_that_comes_back_is_written_to_by_the_same_client() {
    let broker = kafka().await;
    broker.begin(5).await;
    let address = nobody();
    let log = cluster(&address, 1_000).await.command_log().unwrap();
    assert!(matches!(append(&log).await, Err(AppendError::Unavailable { .. })));
    assert!(matches!(log.ping().await, Err(AppendError::Unavailable { .. })));
    forward(&address, broker.address.clone());
    // The client may be waiting to connect again, at most a second.
    let first = append(&log).await;
    let appended = if first.is_ok() { first } else { append(&log).await };
    assert_eq!(appended.unwrap().position.generation(), 5);
    assert_eq!(log.ping().await, Ok(()));
}

/// The log may have been made anew meanwhile, and may have grown longer than it was, so that no offset tells it.
#[tokio::test]
async fn after_an_outage_the_generation_is_read_anew() {
    let (mock, log) = mock_log(2_000).await;
    assert_eq!(append(&log).await.unwrap().position.generation(), 1);
    mock.broker_down(1).unwrap();
    append(&log).await.unwrap_err();
    mock.broker_up(1).unwrap();
    begin_on(&mock, 2);
    let started = Instant::now();
    let appended = loop {
        match append(&log).await {
            Ok(appended) => break appended,
            Err(error) => assert!(started.elapsed() < TIMEOUT, "{error}"),
        }
    };
    assert_eq!(appended.position.generation(), 2);
}

/// Listens and passes everything on, for as long as the test process lives.
pub(crate) fn forward(from: &str, to: String) {
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
