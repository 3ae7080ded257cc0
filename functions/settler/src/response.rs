use ledger::Offset;
use serde::Serialize;

use crate::event::PartitionName;

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

/// Records of a partition, to be delivered again. Lambda delivers again what is reported and nothing else, so each of them
/// has to be named.
pub(crate) fn failures_of(name: &PartitionName, offsets: impl IntoIterator<Item = Offset>) -> Vec<BatchItemFailure> {
    let failure = |offset| BatchItemFailure { item_identifier: ItemIdentifier { partition: name.to_string(), offset } };
    offsets.into_iter().map(failure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_the_shape_that_lambda_reads() {
        let name = "passbook.commands-3".parse().unwrap();
        let response = BatchResponse { batch_item_failures: failures_of(&name, [100]) };
        assert_eq!(
            serde_json::to_string(&response).unwrap(),
            r#"{"batchItemFailures":[{"itemIdentifier":{"partition":"passbook.commands-3","offset":100}}]}"#
        );
        assert_eq!(serde_json::to_string(&BatchResponse::default()).unwrap(), r#"{"batchItemFailures":[]}"#);
    }
}
