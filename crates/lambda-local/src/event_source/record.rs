//! Kafka records as they stand in an event: one record's JSON, and the event around a batch of them.
//!
//! What is easily got wrong: numbers are numbers; a missing key or value is null, never an empty text; header values are
//! lists of **signed** bytes; `headers` is always there; the brokers are one text; only MSK events have an ARN. A header's
//! name is any bytes to Kafka and a text in JSON: of one that is not UTF-8 what is not is replaced by U+FFFD, as Kafka's Java
//! client reads it.

use base64::Engine as _;
use bytes::Bytes;

/// A partition of the source's one topic.
pub type Partition = i32;

/// A record on its way: where it stands, and its JSON. Without JSON it is one that is passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset.
    pub offset: i64,
    /// Its time, in ms since the epoch.
    pub timestamp_ms: i64,
    /// What the event says of it; empty when it is too large for any event.
    pub json: Box<[u8]>,
}

/// A record as the broker gave it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: Partition,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) log_append_time: bool,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
}

impl Raw<'_> {
    /// The record with its JSON.
    pub(crate) fn encode<'h>(&self, headers: impl Iterator<Item = (&'h [u8], Option<&'h [u8]>)>) -> Record {
        let content = self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len);
        let mut json = Vec::with_capacity(192 + self.topic.len() + content * 4 / 3);
        json.extend_from_slice(br#"{"topic":""#);
        json.extend_from_slice(self.topic.as_bytes());
        json.extend_from_slice(br#"","partition":"#);
        number(&mut json, self.partition.into());
        json.extend_from_slice(br#","offset":"#);
        number(&mut json, self.offset);
        json.extend_from_slice(br#","timestamp":"#);
        number(&mut json, self.timestamp_ms);
        json.extend_from_slice(br#","timestampType":""#);
        json.extend_from_slice(if self.log_append_time { b"LOG_APPEND_TIME" } else { b"CREATE_TIME" });
        json.extend_from_slice(br#"","key":"#);
        base64(&mut json, self.key);
        json.extend_from_slice(br#","value":"#);
        base64(&mut json, self.value);
        json.extend_from_slice(br#","headers":["#);
        for (at, (key, value)) in headers.enumerate() {
            if at > 0 {
                json.push(b',');
            }
            header(&mut json, key, value.unwrap_or_default());
        }
        json.extend_from_slice(b"]}");
        Record { offset: self.offset, timestamp_ms: self.timestamp_ms, json: json.into_boxed_slice() }
    }
}

fn number(json: &mut Vec<u8>, number: i64) {
    use std::io::Write as _;
    // Writing to memory does not fail.
    let _ = write!(json, "{number}");
}

fn base64(json: &mut Vec<u8>, content: Option<&[u8]>) {
    let Some(content) = content else { return json.extend_from_slice(b"null") };
    json.push(b'"');
    let start = json.len();
    json.resize(start + content.len().div_ceil(3) * 4, 0);
    // The room is exactly what the encoding takes.
    let _ = base64::engine::general_purpose::STANDARD.encode_slice(content, &mut json[start..]);
    json.push(b'"');
}

fn header(json: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    json.push(b'{');
    let _ = serde_json::to_writer(&mut *json, &String::from_utf8_lossy(key));
    json.extend_from_slice(b":[");
    for (at, byte) in value.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        number(json, byte.cast_signed().into());
    }
    json.extend_from_slice(b"]}");
}

/// The part of every event of a source that is not records.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    topic: String,
    head: Vec<u8>,
}

impl Envelope {
    pub(crate) fn new(topic: &str, bootstrap_servers: &str, cluster_arn: Option<&str>) -> Self {
        let mut head = match cluster_arn {
            Some(arn) => serde_json::json!({"eventSource": "aws:kafka", "eventSourceArn": arn}),
            None => serde_json::json!({"eventSource": "aws:SelfManagedKafka"}),
        };
        head["bootstrapServers"] = bootstrap_servers.into();
        let mut head = head.to_string().into_bytes();
        head.pop();
        head.extend_from_slice(br#","records":{"#);
        Self { topic: topic.to_owned(), head }
    }

    /// Bytes of an event without any record.
    pub(crate) fn overhead(&self) -> usize {
        self.head.len() + 2
    }

    /// Bytes that a partition adds to an event, beside its records and the commas between them.
    pub(crate) fn partition_overhead(&self) -> usize {
        self.topic.len() + 18
    }

    /// The event of these records, or nothing when there is nothing to tell.
    pub(crate) fn event<'r, R>(&self, slices: impl Iterator<Item = (Partition, R)>) -> Option<Bytes>
    where
        R: Iterator<Item = &'r Record>,
    {
        let mut json = self.head.clone();
        let empty = json.len();
        for (partition, records) in slices {
            let mut separator = self.list_start(partition, json.len() > empty);
            for record in records.filter(|record| !record.json.is_empty()) {
                json.extend_from_slice(&separator);
                json.extend_from_slice(&record.json);
                separator.clear();
                separator.push(b',');
            }
            if separator.len() == 1 {
                json.push(b']');
            }
        }
        if json.len() == empty {
            return None;
        }
        json.extend_from_slice(b"}}");
        Some(json.into())
    }

    fn list_start(&self, partition: Partition, follows: bool) -> Vec<u8> {
        let comma = if follows { "," } else { "" };
        format!("{comma}\"{}-{partition}\":[", self.topic).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn raw() -> Raw<'static> {
        Raw {
            topic: "t",
            partition: 1,
            offset: 15,
            timestamp_ms: 1_545_084_650_987,
            log_append_time: false,
            key: None,
            value: Some(b"hi"),
        }
    }

    fn parsed(record: &Record) -> Value {
        serde_json::from_slice(&record.json).expect("JSON")
    }

    #[test]
    fn a_record_has_aws_shape() {
        let record = raw().encode([(b"k".as_slice(), Some([104, 200].as_slice())), (b"k\"", None)].into_iter());
        let expected = json!({
            "topic": "t", "partition": 1, "offset": 15, "timestamp": 1_545_084_650_987_i64, "timestampType": "CREATE_TIME",
            "key": null, "value": "aGk=", "headers": [{"k": [104, -56]}, {"k\"": []}],
        });
        assert_eq!(parsed(&record), expected);
        let record = Raw { log_append_time: true, key: Some(b""), value: None, ..raw() }.encode([].into_iter());
        let json = parsed(&record);
        assert_eq!(
            (&json["timestampType"], &json["key"], &json["value"]),
            (&json!("LOG_APPEND_TIME"), &json!(""), &Value::Null)
        );
        assert_eq!(json["headers"], json!([]));
    }

    #[test]
    fn a_header_whose_name_is_not_utf8_is_there_with_what_is() {
        let names = [b"a\xffb".as_slice(), b"\xff", b"\xc3\xa9", b""];
        let record = raw().encode(names.into_iter().map(|name| (name, Some(b"v".as_slice()))));
        let expected = json!([{"a\u{fffd}b": [118]}, {"\u{fffd}": [118]}, {"\u{e9}": [118]}, {"": [118]}]);
        assert_eq!(parsed(&record)["headers"], expected);
    }

    #[test]
    fn an_event_holds_the_partitions_that_have_records() {
        let record = |offset| Raw { offset, ..raw() }.encode([].into_iter());
        let passed_over = Record { json: Box::default(), ..record(9) };
        let envelope = Envelope::new("t", "a:1,b:2", None);
        let slices = [
            (0, vec![record(1), passed_over.clone(), record(2)]),
            (1, vec![passed_over.clone()]),
            (2, vec![record(3)]),
        ];
        let event =
            envelope.event(slices.iter().map(|(partition, records)| (*partition, records.iter()))).expect("records");
        let event: Value = serde_json::from_slice(&event).expect("JSON");
        assert_eq!(
            (&event["eventSource"], &event["bootstrapServers"]),
            (&json!("aws:SelfManagedKafka"), &json!("a:1,b:2"))
        );
        assert!(event.get("eventSourceArn").is_none());
        let offsets = |key: &str| {
            event["records"][key].as_array().map(|list| list.iter().map(|r| r["offset"].as_i64()).collect::<Vec<_>>())
        };
        assert_eq!(offsets("t-0"), Some(vec![Some(1), Some(2)]));
        assert_eq!(offsets("t-1"), None);
        assert_eq!(offsets("t-2"), Some(vec![Some(3)]));
        assert_eq!(envelope.event([(1, [passed_over].iter())].into_iter()), None);
    }

    #[test]
    fn an_msk_event_has_the_arn() {
        let envelope = Envelope::new("t", "a:1", Some("arn:x"));
        let record = raw().encode([].into_iter());
        let event = envelope.event([(1, [record].iter())].into_iter()).expect("a record");
        let event: Value = serde_json::from_slice(&event).expect("JSON");
        assert_eq!((&event["eventSource"], &event["eventSourceArn"]), (&json!("aws:kafka"), &json!("arn:x")));
    }

    #[test]
    fn sizes_are_never_underestimated() {
        let envelope = Envelope::new("topic", "a:1", None);
        let records: Vec<Record> = (0..3).map(|offset| Raw { offset, ..raw() }.encode([].into_iter())).collect();
        let event = envelope.event([(i32::MAX, records.iter())].into_iter()).expect("records");
        let content: usize = records.iter().map(|record| record.json.len() + 1).sum();
        assert!(event.len() <= envelope.overhead() + envelope.partition_overhead() + content);
    }
}
