use ledger_store::DeadLetter;

use super::*;

const NOW: Timestamp = Timestamp::from_epoch_ms(1_700_000_060_000);

fn unreadable(redelivered: bool) -> AppliedOutcome {
    let letter = DeadLetter {
        offset: 0,
        recorded_at: NOW,
        key: None,
        value: None,
        account: None,
        accepted_as: None,
        why: "no JSON".to_owned(),
    };
    AppliedOutcome {
        position: ledger::Position::new(1, 0, 0).unwrap(),
        applied: Applied::Unreadable(letter),
        redelivered,
    }
}

fn seconds_ago(seconds: i64) -> Timestamp {
    Timestamp::from_epoch_ms(NOW.epoch_ms() - seconds * 1_000)
}

fn line(report: &Metrics) -> Value {
    let line = report.line("settler", NOW, Duration::from_millis(12));
    assert!(!line.contains('\n'), "{line}");
    serde_json::from_str(&line).unwrap()
}

/// The rules of the specification that a line can break.
fn check_format(line: &Value) {
    assert_eq!(line["_aws"]["Timestamp"], NOW.epoch_ms());
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    for directive in directives {
        assert_eq!(directive["Namespace"], "Passbook");
        for dimension in directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap()) {
            let value = line[dimension.as_str().unwrap()].as_str().unwrap();
            assert!((1..=1024).contains(&value.len()), "a dimension is a string at the root");
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()));
        for metric in metrics {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_number(), "{name} stands at the root");
            assert!(["Count", "Milliseconds"].contains(&metric["Unit"].as_str().unwrap()), "{name}");
        }
    }
}

#[test]
fn a_line_says_what_became_of_a_delivery() {
    let settled = Metrics::of_settled(&[unreadable(true), unreadable(false)], &[seconds_ago(500), seconds_ago(7)]);
    let failed = Metrics::of_failed(&[seconds_ago(90), seconds_ago(80)]);
    let stuck = Metrics::sum([failed, Metrics::of_settled(&[unreadable(false)], &[seconds_ago(1)])]);
    let again = Metrics::of_settled(&[unreadable(true)], &[seconds_ago(500)]);
    let mut refused = Metrics::default();
    refused.refused.insert("insufficient_funds", 3);
    refused.refused.insert("hold_not_found", 1);
    let missed = Metrics::default().with_too_large(1).with_skipped(2).plus(Metrics::default().with_missed(3, 4));
    let ahead = Metrics::of_failed(&[seconds_ago(-5)]);
    for (report, expected) in [
        (
            Metrics::default(),
            json!({"Settled": 0, "PartitionsFailing": 0, "OldestUnsettledAge": 0, "SettleDuration": 12}),
        ),
        (settled, json!({"Settled": 1, "Unreadable": 1, "Redelivered": 1, "OldestUnsettledAge": 7_000})),
        (stuck, json!({"Settled": 1, "PartitionsFailing": 1, "OldestUnsettledAge": 90_000})),
        (again, json!({"Settled": 0, "Redelivered": 1, "OldestUnsettledAge": 0})),
        (refused, json!({"Refused": 4, "Refused.insufficient_funds": 3, "Refused.hold_not_found": 1})),
        (
            missed,
            json!({"OutcomesTooLarge": 1, "SkippedByEventSource": 2, "OutcomesUnpublished": 3, "OutcomesLost": 4}),
        ),
        // The broker's clock is ahead of this one.
        (ahead, json!({"PartitionsFailing": 1, "OldestUnsettledAge": 0})),
    ] {
        let line = line(&report);
        check_format(&line);
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(line[name], *value, "{name} of {line}");
        }
    }
}
