//! librdkafka's own mock of a broker, which can be told to fail. It has the command topic and its generation.

use ledger::Generation;
use ledger_log::{COMMANDS, GENERATIONS, KafkaCommandLog};
use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};

use crate::broker::{TIMEOUT, cluster};

pub(crate) type Mock = MockCluster<'static, DefaultProducerContext>;

/// A mock with one partition of commands, and a log on it.
pub(crate) async fn mock_log(append_timeout_ms: u64) -> (Mock, KafkaCommandLog) {
    let mock: Mock = MockCluster::new(1).unwrap();
    mock.create_topic(COMMANDS, 1, 1).unwrap();
    mock.create_topic(GENERATIONS, 1, 1).unwrap();
    begin_on(&mock, 1);
    let log = cluster(&mock.bootstrap_servers(), append_timeout_ms).await.command_log().unwrap();
    (mock, log)
}

/// Writes the record of a generation, as whoever creates topics does.
pub(crate) fn begin_on(mock: &Mock, generation: Generation) {
    let config = ClientConfig::from_iter([("bootstrap.servers".to_owned(), mock.bootstrap_servers())]);
    let producer: ThreadedProducer<DefaultProducerContext> = config.create().unwrap();
    let value = format!(r#"{{"generation":{generation},"partitions":1}}"#);
    producer.send(BaseRecord::to(GENERATIONS).key(COMMANDS).payload(&value)).map_err(|(error, _)| error).unwrap();
    producer.flush(TIMEOUT).unwrap();
}
