use ledger::Offset;
use serde::Serialize;

use crate::event::{PartitionName, Record};

/// What Lambda is told of a batch. Empty: all of it is done.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    pub batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    pub item_identifier: ItemIdentifier,
}

/// A record as the event names it: `partition` is the name of its list, `<topic>-<partition>`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ItemIdentifier {
    pub partition: String,
    pub offset: Offset,
}

/// Every record of a partition, to be reported should the partition fail. Lambda delivers again what is reported and
/// nothing else, so each of them has to be named.
pub(crate) fn failures_of(name: &PartitionName, records: &[Record]) -> Vec<BatchItemFailure> {
    let failure = |record: &Record| BatchItemFailure {
        item_identifier: ItemIdentifier { partition: name.to_string(), offset: record.offset },
    };
    records.iter().map(failure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_the_shape_that_lambda_reads() {
        let name = "passbook.commands-3".parse().unwrap();
        let record: Record = serde_json::from_str(r#"{"offset":100,"timestamp":1}"#).unwrap();
        let response = BatchResponse { batch_item_failures: failures_of(&name, &[record]) };
        assert_eq!(
            serde_json::to_string(&response).unwrap(),
            r#"{"batchItemFailures":[{"itemIdentifier":{"partition":"passbook.commands-3","offset":100}}]}"#
        );
        assert_eq!(serde_json::to_string(&BatchResponse::default()).unwrap(), r#"{"batchItemFailures":[]}"#);
    }
}
