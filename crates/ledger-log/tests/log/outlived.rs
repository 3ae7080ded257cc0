//! A producer that the brokers no longer take anything from, as after a broker that keeps its log in memory has restarted.
//! Against librdkafka's own mock of a broker, which can be told to say so.

use ledger::AccountId;
use ledger_log::{AppendError, COMMANDS, CommandLog, NewRecord, OUTCOMES, OutcomeLog, OutcomeRecord};
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::broker::{TIMEOUT, cluster};

fn fenced(mock: &MockCluster<'_, impl rdkafka::ClientContext>) {
    mock.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_PRODUCER_FENCED]);
}

#[tokio::test]
async fn a_command_log_whose_producer_is_fenced_goes_on_with_another() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic(COMMANDS, 1, 1).unwrap();
    let log = cluster(&mock.bootstrap_servers(), 5_000).await.command_log().unwrap();
    let account: AccountId = "alice".parse().unwrap();
    let record = NewRecord { account: &account, generation: 1, value: b"{}", traceparent: None };
    assert_eq!(log.append(record).await.unwrap().position.offset(), 0);
    fenced(&mock);
    let error = log.append(record).await.unwrap_err();
    assert!(matches!(&error, AppendError::Unconfirmed { .. }), "{error}");
    assert_eq!(log.append(record).await.unwrap().position.offset(), 1);
}

#[tokio::test]
async fn an_outcome_log_whose_producer_is_fenced_goes_on_with_another() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic(OUTCOMES, 1, 1).unwrap();
    let log = cluster(&mock.bootstrap_servers(), 5_000).await.outcome_log(TIMEOUT).unwrap();
    let records = [OutcomeRecord { account: None, value: b"{}".to_vec(), traceparent: None }];
    log.publish(&records).await.unwrap();
    fenced(&mock);
    log.publish(&records).await.unwrap_err();
    log.publish(&records).await.unwrap();
}
