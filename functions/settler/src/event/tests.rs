use super::*;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// As AWS documents it for self-managed Kafka, with a trace, a foreign header with a byte over 127, and a tombstone.
fn self_managed() -> String {
    let trace: Vec<String> = TRACE.bytes().map(|byte| byte.to_string()).collect();
    r#"{
        "eventSource": "aws:SelfManagedKafka",
        "bootstrapServers": "b-2.demo-cluster.a1bcde.c1.kafka.us-east-1.amazonaws.com:9092,b-1.demo-cluster.a1bcde.c1.kafka.us-east-1.amazonaws.com:9092",
        "records": {
            "passbook.commands-0": [
                {"topic": "passbook.commands", "partition": 0, "offset": 15, "timestamp": 1545084650987,
                 "timestampType": "CREATE_TIME", "key": "YWxpY2U=", "value": "SGVsbG8=",
                 "headers": [{"other": [-61, 104]}, {"traceparent": [TRACE]}]},
                {"topic": "passbook.commands", "partition": 0, "offset": 16, "timestamp": 1545084650988,
                 "timestampType": "LOG_APPEND_TIME", "key": null, "value": null, "headers": []}
            ],
            "passbook.commands-7": [
                {"topic": "passbook.commands", "partition": 7, "offset": 0, "timestamp": 1545084650989,
                 "timestampType": "LOG_APPEND_TIME"}
            ]
        }
    }"#
    .replace("TRACE", &trace.join(","))
}

#[test]
fn an_event_of_self_managed_kafka_is_read() {
    let event: KafkaEvent = serde_json::from_str(&self_managed()).unwrap();
    let [first, second] = event.records.as_slice() else { panic!("two partitions") };
    assert_eq!(first.name, PartitionName { topic: "passbook.commands".to_owned(), partition: 0 });
    assert_eq!(second.name.to_string(), "passbook.commands-7");
    let record = &first.records[0];
    assert_eq!((record.offset, record.timestamp), (15, 1_545_084_650_987));
    assert_eq!(record.key.as_deref(), Some(&b"alice"[..]));
    assert_eq!(record.value.as_deref(), Some(&b"Hello"[..]));
    assert_eq!(record.traceparent.as_ref().map(Traceparent::as_str), Some(TRACE));
    for tombstone in [&first.records[1], &second.records[0]] {
        assert_eq!((&tombstone.key, &tombstone.value, &tombstone.traceparent), (&None, &None, &None));
    }
}

#[test]
fn an_event_of_msk_is_read_the_same() {
    let event = self_managed().replace(
        r#""eventSource": "aws:SelfManagedKafka","#,
        r#""eventSource": "aws:kafka", "eventSourceArn": "arn:aws:kafka:eu-west-1:123456789012:cluster/passbook/0b8a1c6e-3","#,
    );
    let event: KafkaEvent = serde_json::from_str(&event).unwrap();
    assert_eq!(event.records.iter().map(|partition| partition.records.len()).sum::<usize>(), 3);
}

#[test]
fn the_first_trace_is_found_whatever_stands_around_it() {
    assert_eq!(ledger_log::TRACEPARENT, "traceparent", "the name that is looked for");
    let trace: Vec<i16> = TRACE.bytes().map(i16::from).collect();
    let headers = serde_json::json!([
        { "other": [-61, 195] }, {}, { "traceparent": [48] }, { "traceparent": trace }, { "traceparent": [49] },
    ]);
    let record = serde_json::json!({ "offset": 1, "timestamp": 2, "headers": headers }).to_string();
    let record: Record = serde_json::from_str(&record).unwrap();
    assert_eq!(record.traceparent.as_ref().map(Traceparent::as_str), Some(TRACE));
}

#[test]
fn a_trace_that_is_none_is_ignored() {
    let read = |headers: &str| {
        let record = format!(r#"{{"offset":1,"timestamp":2,"headers":{headers}}}"#);
        serde_json::from_str::<Record>(&record).unwrap().traceparent
    };
    for headers in ["null", "[]", r#"[{"traceparent":[]}]"#, r#"[{"traceparent":[-1,-2]}]"#, r#"[{"other":"text"}]"#] {
        assert_eq!(read(headers), None, "{headers}");
    }
}

#[test]
fn what_is_no_event_is_refused() {
    for (bad, why) in [
        ("{}", "missing field `records`"),
        (r#"{"records":{"commands":[]}}"#, r#""commands" is not <topic>-<partition>"#),
        (r#"{"records":{"c-0":[{"offset":-1,"timestamp":1}]}}"#, "integer `-1`, expected u64"),
        (r#"{"records":{"c-0":[{"offset":1,"timestamp":1,"value":"*"}]}}"#, "not base64"),
    ] {
        let fault = serde_json::from_str::<KafkaEvent>(bad).unwrap_err().to_string();
        assert!(fault.contains(why), "{bad}: {fault}");
    }
}
