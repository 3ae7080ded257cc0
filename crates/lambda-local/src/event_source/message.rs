//! A message of librdkafka as it stands in an event.

use rdkafka::message::{BorrowedMessage, Message, Timestamp};

use super::headers;
use super::record::{Raw, Record};

pub(super) fn encode(message: &BorrowedMessage<'_>) -> Record {
    let (timestamp_ms, log_append_time) = match message.timestamp() {
        Timestamp::CreateTime(ms) => (ms, false),
        Timestamp::LogAppendTime(ms) => (ms, true),
        Timestamp::NotAvailable => (0, false),
    };
    let raw = Raw {
        topic: message.topic(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms,
        log_append_time,
        key: message.key(),
        value: message.payload(),
    };
    raw.encode(headers::of(message))
}
