//! A producer that the brokers no longer take anything from, as after a broker that keeps its log in memory has restarted.
//! Against librdkafka's own mock of a broker, which can be told to say so.

use ledger_log::{AppendError, OUTCOMES, OutcomeLog, OutcomeRecord};
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::time::Instant;

use crate::broker::{TIMEOUT, append, cluster};
use crate::mock::mock_log;

const FENCED: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_PRODUCER_FENCED;

#[tokio::test]
async fn a_command_log_whose_producer_is_fenced_goes_on_with_another() {
    let (mock, log) = mock_log(5_000).await;
    assert_eq!(append(&log).await.unwrap().position.offset(), 0);
    mock.request_errors(RDKafkaApiKey::Produce, &[FENCED]);
    append(&log).await.unwrap_err();
    assert_eq!(append(&log).await.unwrap().position.offset(), 1);
}

#[tokio::test]
async fn an_outcome_log_whose_producer_is_fenced_goes_on_with_another() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic(OUTCOMES, 1, 1).unwrap();
    let log = cluster(&mock.bootstrap_servers(), 5_000).await.outcome_log(TIMEOUT).unwrap();
    let records = [OutcomeRecord { account: None, value: b"{}".to_vec(), traceparent: None }];
    let until = Instant::now() + TIMEOUT;
    log.publish(&records, until).await.unwrap();
    mock.request_errors(RDKafkaApiKey::Produce, &[FENCED]);
    log.publish(&records, until).await.unwrap_err();
    log.publish(&records, until).await.unwrap();
}

/// What an append comes to whose tries the broker answers so, one after the other.
async fn appended_with(answers: &[RDKafkaRespErr]) -> AppendError {
    let (mock, log) = mock_log(5_000).await;
    append(&log).await.unwrap();
    mock.request_errors(RDKafkaApiKey::Produce, answers);
    append(&log).await.unwrap_err()
}

#[tokio::test]
async fn a_command_is_called_unrecorded_only_where_no_try_can_have_been_written() {
    const REFUSED: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    const NO_ANSWER: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT;
    let error = appended_with(&[REFUSED]).await;
    assert!(matches!(&error, AppendError::Misconfigured { .. }) && !error.maybe_recorded(), "{error}");
    let error = appended_with(&[NO_ANSWER, REFUSED]).await;
    assert!(matches!(&error, AppendError::Unconfirmed { .. }) && error.maybe_recorded(), "{error}");
}
