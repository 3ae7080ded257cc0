//! The headers of a message as the bytes they are. rdkafka gives their names as texts, and panics over one that is none.
//!
//! A name ends at its first zero byte: librdkafka does not tell its length.

use std::ffi::CStr;
use std::ptr;

use rdkafka::bindings::{rd_kafka_header_get_all, rd_kafka_headers_t, rd_kafka_message_headers};
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaRespErr;

/// Name and value of each header, in order.
pub(super) fn of<'m>(message: &'m BorrowedMessage<'_>) -> impl Iterator<Item = (&'m [u8], Option<&'m [u8]>)> {
    let headers = list(message);
    (0..).map_while(move |at| header(message, headers?, at))
}

#[expect(unsafe_code, reason = "rdkafka has no way to a header but the one that panics")]
fn list(message: &BorrowedMessage<'_>) -> Option<*mut rd_kafka_headers_t> {
    let mut headers = ptr::null_mut();
    // SAFETY: the message is there for as long as it is borrowed, and keeps its headers.
    let error = unsafe { rd_kafka_message_headers(message.ptr(), &raw mut headers) };
    (error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && !headers.is_null()).then_some(headers)
}

#[expect(unsafe_code, reason = "rdkafka has no way to a header but the one that panics")]
fn header<'m>(
    _owner: &'m BorrowedMessage<'_>,
    headers: *mut rd_kafka_headers_t,
    at: usize,
) -> Option<(&'m [u8], Option<&'m [u8]>)> {
    let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
    // SAFETY: the list is its message's and lives with it. What is given out is part of the list: a name with a zero byte
    // behind it, and a value of that length, or none.
    unsafe {
        let error = rd_kafka_header_get_all(headers, at, &raw mut name, &raw mut value, &raw mut length);
        if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        let value = (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), length));
        Some((CStr::from_ptr(name).to_bytes(), value))
    }
}
