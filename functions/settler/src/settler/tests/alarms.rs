//! template.yaml has alarms on what is logged here.

use std::path::Path;

use super::*;

/// The field and the value of every `FilterPattern: '{ $.field = "value" }'`, by the name of its metric.
fn patterns() -> BTreeMap<String, (String, String)> {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let template = std::fs::read_to_string(template).unwrap();
    let filters = template.split("Type: AWS::Logs::MetricFilter").skip(1);
    let pattern = |filter: &str| {
        let after = |text: &str| filter.split_once(text).unwrap().1.to_owned();
        let (field, value) = after("FilterPattern: '{ $.").split_once(" = \"").map(owned).unwrap();
        let name = after("MetricName: ").lines().next().unwrap().to_owned();
        (name, (field, value.split_once("\" }'").unwrap().0.to_owned()))
    };
    filters.map(pattern).collect()
}

fn owned((one, two): (&str, &str)) -> (String, String) {
    (one.to_owned(), two.to_owned())
}

/// How many of the lines a metric counts.
fn counted(metric: &str, lines: &Lines) -> usize {
    let (field, value) = &patterns()[metric];
    lines.all().iter().filter(|line| line[field] == **value).count()
}

#[tokio::test]
async fn a_dead_letter_is_counted_once_however_often_it_is_delivered() {
    let (bench, lines) = (Bench::new(), Lines::default());
    let guard = lines.listen();
    for _delivery in 0..2 {
        let records = [(0, record(0, "alice", Some(b"\xff not a command"))), (0, deposit(1, "alice"))];
        assert_eq!(bench.settle(&records).await, [""; 0]);
    }
    drop(guard);
    assert_eq!((counted("DeadLetters", &lines), counted("SettlerErrorLines", &lines)), (1, 0), "{:?}", lines.all());
}

#[tokio::test]
async fn a_partition_that_cannot_go_on_is_counted_and_what_passes_is_not() {
    let (bench, lines) = (Bench::new(), Lines::default());
    let guard = lines.listen();
    bench.log([deposit(7, "alice")]);
    bench.outcomes.truncate(0, 7);
    let lost = [(0, deposit(7, "alice"))];
    assert_eq!(bench.settle(&lost).await, ["passbook.commands-0@7"]);
    assert_eq!((counted("DeadLetters", &lines), counted("SettlerErrorLines", &lines)), (0, 1), "{:?}", lines.all());
    bench.outcomes.fail_publications(Some(PublishError::Misconfigured { reason: "no broker".to_owned() }));
    assert_eq!(bench.settle(&[(1, deposit(0, "bob"))]).await, ["passbook.commands-1@0"]);
    drop(guard);
    assert_eq!(counted("SettlerErrorLines", &lines), 1, "{:?}", lines.all());
}
