//! What can fail, and whether trying again helps.

use ledger::{Generation, NotRead, Offset, Partition, Position, Unsound};
use mongodb::error::{
    Error as DriverError, ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure,
};

use crate::fence::FenceFault;
use crate::shape::ACCOUNTS;

/// The server is going down, starting up, no longer the primary, or cannot reach the others of its set or cluster in time:
/// what the driver takes as a reason to ask again, and what mongos says of a shard without a primary (133).
const CODES_OF_A_SERVER_AWAY: [i32; 15] =
    [6, 7, 89, 91, 133, 134, 189, 262, 9001, 10058, 10107, 11600, 11602, 13435, 13436];
const WRITE_CONFLICT: i32 = 112;
const DUPLICATE_KEY: i32 = 11000;
/// The transaction took longer than `transactionLifetimeLimitSeconds`. MongoDB gives no label with it where it interrupts a
/// statement; a statement that comes later gets one.
const TRANSACTION_TOO_OLD: i32 = 290;

/// A question or a write that MongoDB did not answer as it should.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Nothing is wrong with what was asked; MongoDB is away, or has no primary.
    #[error("MongoDB cannot be reached: {}", short(.0))]
    Unreachable(#[source] Box<DriverError>),
    /// Two transactions touched the same documents; one of them has to start anew.
    #[error("another transaction was in the way: {0}")]
    Conflict(String),
    /// More than one transaction may read or write.
    #[error("the transaction is too large: {0}")]
    TooLarge(String),
    #[error("MongoDB failed: {}", short(.0))]
    Failed(#[source] Box<DriverError>),
    /// MongoDB would not take the document another time either: it is too large, or breaks a rule of its collection.
    #[error("MongoDB does not take the document {id} of the collection {collection}: {message} (code {code})")]
    Rejected { collection: &'static str, id: String, code: i32, message: String },
    #[error("MongoDB failed to write to the collection {collection}, from the document {id} on: {}", short(.error))]
    NotWritten {
        collection: &'static str,
        id: String,
        #[source]
        error: Box<DriverError>,
    },
    #[error("MongoDB wrote {written} of {asked} documents of the collection {collection}, from {id} on")]
    Incomplete { collection: &'static str, id: String, written: i64, asked: usize },
    #[error("the document {id} of the collection {collection} is not as Passbook writes it: {what}")]
    Malformed { collection: &'static str, id: String, what: String },
    #[error("{0}")]
    Setup(String),
}

impl StoreError {
    /// Whether the same call can succeed later.
    pub const fn retry_helps(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Conflict(_) | Self::TooLarge(_))
    }

    /// Whether a smaller transaction may succeed where this one did not. MongoDB says "conflict" also where its cache does
    /// not take a transaction of this size (code 112, TransientTransactionError).
    pub(crate) const fn smaller_helps(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::TooLarge(_))
    }

    pub(crate) const fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }

    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    /// Whether nobody answered; a server that says why it cannot serve is there to be asked.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::Unreachable(error) if code(error).is_none())
    }

    /// What it means that a document was not written. Two settlers may write one document, or open one account, at once;
    /// whatever else MongoDB says, it would say again.
    pub(crate) fn of_document(collection: &'static str, id: String, code: i32, message: &str) -> Self {
        let is_race = code == WRITE_CONFLICT || (code == DUPLICATE_KEY && collection == ACCOUNTS);
        if is_race {
            return Self::Conflict(format!("{id} of the collection {collection}: {message} (code {code})"));
        }
        Self::Rejected { collection, id, code, message: message.to_owned() }
    }

    /// What it means that a whole statement failed that writes the documents from `id` on.
    pub(crate) fn of_statement(collection: &'static str, id: String, error: DriverError) -> Self {
        match Self::from(error) {
            Self::Failed(error) => Self::NotWritten { collection, id, error },
            meaning => meaning,
        }
    }
}

/// The driver's own text carries everything it knows; its kind is what a person reads.
fn short(error: &DriverError) -> String {
    error.kind.to_string()
}

/// What took too long is begun anew, and smaller. A duplicate is of the fences, the only documents that the driver's own
/// calls insert: two settlers began one at once.
impl From<DriverError> for StoreError {
    fn from(error: DriverError) -> Self {
        if is_of_a_server_away(&error) {
            Self::Unreachable(Box::new(error))
        } else if error.contains_label(TRANSIENT_TRANSACTION_ERROR)
            || error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
            || matches!(code(&error), Some(DUPLICATE_KEY | TRANSACTION_TOO_OLD))
        {
            Self::Conflict(short(&error))
        } else {
            Self::Failed(Box::new(error))
        }
    }
}

fn is_of_a_server_away(error: &DriverError) -> bool {
    match error.kind.as_ref() {
        ErrorKind::ServerSelection { .. }
        | ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::DnsResolve { .. } => true,
        _ => code(error).is_some_and(|code| CODES_OF_A_SERVER_AWAY.contains(&code)),
    }
}

/// The code that the server gave a failure.
pub(crate) fn code(error: &DriverError) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => Some(concern.code),
        _ => None,
    }
}

/// The part of a batch that could not be applied. Nothing of it is visible, unless only the answer has got lost.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{topic}-{partition} from offset {offset} on was not applied: {failure}")]
pub struct ApplyError {
    pub topic: String,
    pub partition: Partition,
    /// The first offset that was not applied.
    pub offset: Offset,
    #[source]
    pub failure: ApplyFailure,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum ApplyFailure {
    /// The log is not the one applied so far, or not to be applied yet. But for a clock that is behind, no retry helps; an
    /// operator has to look.
    #[error(transparent)]
    Fault(#[from] FenceFault),
    #[error("out of time{}", .last.as_ref().map(|last| format!("; the last attempt: {last}")).unwrap_or_default())]
    OutOfTime { last: Option<StoreError> },
    #[error(
        "the record at {0} had been applied before, yet its outcome is nowhere: the topic was created anew, or the books have lost something (`passbook check` tells)"
    )]
    OutcomeMissing(Position),
    #[error(
        "the outcomes of the batch are not one for each record, in their order, from {0} on; nothing of it was kept"
    )]
    OutcomeAstray(Position),
    /// A fault of this program: nothing was kept.
    #[error(transparent)]
    NotRead(#[from] NotRead),
    /// A fault of this program: the account that the batch would have made cannot be. Nothing was kept.
    #[error("the batch would leave an account that cannot be: {0}")]
    Unsound(Box<Unsound>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ApplyError {
    /// Whether the same batch can succeed later.
    pub const fn retry_helps(&self) -> bool {
        self.failure.retry_helps()
    }
}

impl ApplyFailure {
    pub const fn retry_helps(&self) -> bool {
        match self {
            Self::Fault(fault) => fault.passes(),
            Self::OutcomeMissing(_) | Self::OutcomeAstray(_) | Self::NotRead(_) | Self::Unsound(_) => false,
            Self::OutOfTime { .. } => true,
            Self::Store(error) => error.retry_helps(),
        }
    }
}

/// Why a generation cannot begin.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GenerationError {
    #[error("generation {found} of {topic} has begun already; generation {asked} is over")]
    Older { topic: String, asked: Generation, found: Generation },
    #[error("generation {asked} of {topic} has begun already, and partition {partition} is at offset {next_offset}: a topic created anew begins generation {next}", next = .asked + 1)]
    InUse { topic: String, asked: Generation, partition: Partition, next_offset: Offset },
    #[error("a topic has at least one partition, and its first generation is 1")]
    Nothing,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DriverError> for GenerationError {
    fn from(error: DriverError) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{deserialize_from_document, doc};

    use super::*;

    fn of_code(code: i32) -> StoreError {
        let command = deserialize_from_document(doc! { "code": code, "codeName": "Named", "errmsg": "no" }).unwrap();
        DriverError::from(ErrorKind::Command(command)).into()
    }

    #[test]
    fn a_server_that_cannot_serve_is_away_and_one_that_gave_up_is_asked_again() {
        for code in [6, 7, 89, 91, 133, 134, 189, 262, 9001, 10058, 10107, 11600, 11602, 13435, 13436] {
            let error = of_code(code);
            assert!(error.is_unreachable() && error.retry_helps() && !error.is_silence(), "{code}: {error}");
        }
        for code in [2, 13, 50, 121] {
            assert!(matches!(of_code(code), StoreError::Failed(_)), "{code}");
        }
        let too_old = of_code(290);
        assert!(too_old.is_conflict() && too_old.retry_helps() && too_old.smaller_helps(), "{too_old}");
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(StoreError::from(DriverError::from(reset)).is_silence());
    }
}
