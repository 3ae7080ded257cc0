//! Many writes in few statements: what MongoDB calls commands, and the log does not.

use mongodb::ClientSession;
use mongodb::bson::{Document, RawDocument, RawDocumentBuf};

use crate::error::StoreError;
use crate::mongo::Mongo;
use crate::mongo::rows::name_of;
use crate::shape::DocumentWriter;

/// A statement is one document, and MongoDB takes documents of 16 MB; the rest is room for a last large write.
const MAX_STATEMENT_BYTES: usize = 12 * 1024 * 1024;
/// MongoDB takes 100,000 writes a statement.
const MAX_WRITES: usize = 100_000;

/// What a statement's writes are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verb {
    Update,
    Insert,
}

/// Writes to one collection, each a document, one after the other.
pub(super) struct Writes {
    verb: Verb,
    collection: &'static str,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Writes {
    pub(super) fn new(verb: Verb, collection: &'static str) -> Self {
        Self { verb, collection, bytes: Vec::new(), ends: Vec::new() }
    }

    pub(super) fn push(&mut self, write: impl FnOnce(&mut DocumentWriter<'_>)) {
        write(&mut DocumentWriter::open(&mut self.bytes));
        self.ends.push(self.bytes.len());
    }

    pub(super) fn try_push<E>(
        &mut self,
        write: impl FnOnce(&mut DocumentWriter<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut written = Ok(());
        self.push(|document| written = write(document));
        written
    }

    /// The statements that hold them all, in order, each built when its turn comes.
    pub(super) fn statements(&self) -> impl Iterator<Item = Result<Statement<'_>, StoreError>> {
        let (mut first, mut start) = (0, 0);
        std::iter::from_fn(move || {
            let rest = self.ends.get(first..).filter(|rest| !rest.is_empty())?;
            let fits = |end: &usize| *end - start <= MAX_STATEMENT_BYTES;
            let length = rest.iter().take(MAX_WRITES).take_while(|end| fits(end)).count().max(1);
            let document = self.statement(start, &rest[..length]);
            let statement = document.map(|document| Statement { document, writes: self, first, length });
            (first, start) = (first + length, rest[length - 1]);
            Some(statement)
        })
    }

    fn statement(&self, start: usize, ends: &[usize]) -> Result<RawDocumentBuf, StoreError> {
        let length = ends.last().map_or(0, |end| end - start);
        let mut statement = Vec::with_capacity(length + 12 * ends.len() + 100);
        {
            let mut document = DocumentWriter::open(&mut statement);
            let (verb, list) = match self.verb {
                Verb::Update => ("update", "updates"),
                Verb::Insert => ("insert", "documents"),
            };
            document.text(verb, self.collection).flag("ordered", true);
            let mut array = document.array(list);
            let mut from = start;
            for end in ends {
                array.push_bytes(&self.bytes[from..*end]);
                from = *end;
            }
        }
        RawDocumentBuf::from_bytes(statement).map_err(|error| StoreError::Setup(error.to_string()))
    }
}

/// Some of the writes, in a row, as one statement.
pub(super) struct Statement<'s> {
    document: RawDocumentBuf,
    writes: &'s Writes,
    /// Which of the writes it begins with, and how many it has.
    first: usize,
    length: usize,
}

impl Mongo {
    pub(super) async fn run(&self, session: &mut ClientSession, statement: Statement<'_>) -> Result<(), StoreError> {
        let Statement { document, writes, first, length } = statement;
        match self.database.run_raw_command(document).session(&mut *session).await {
            Ok(reply) => writes.check_reply(first, length, &reply),
            Err(error) => Err(StoreError::of_statement(writes.collection, writes.id_of(first), error)),
        }
    }
}

/// The first write that failed of those of a statement.
pub(super) struct Failed<'r> {
    pub(super) at: usize,
    pub(super) code: i32,
    pub(super) message: &'r str,
}

pub(super) fn first_failure(reply: &Document) -> Option<Failed<'_>> {
    let failed = reply.get_array("writeErrors").ok()?.first()?.as_document()?;
    Some(Failed {
        at: failed.get_i32("index").map_or(0, |index| index.unsigned_abs() as usize),
        code: failed.get_i32("code").unwrap_or_default(),
        message: failed.get_str("errmsg").unwrap_or("MongoDB does not say why"),
    })
}

impl Writes {
    /// A statement's reply may say `ok` and name writes that failed all the same.
    fn check_reply(&self, first: usize, length: usize, reply: &Document) -> Result<(), StoreError> {
        if let Some(Failed { at, code, message }) = first_failure(reply) {
            return Err(StoreError::of_document(self.collection, self.id_of(first + at), code, message));
        }
        let written = reply.get_i32("n").map(i64::from).or_else(|_| reply.get_i64("n")).unwrap_or(0);
        if written == length as i64 {
            return Ok(());
        }
        Err(StoreError::Incomplete { collection: self.collection, id: self.id_of(first), written, asked: length })
    }

    /// Which document a write is about, for people to read.
    fn id_of(&self, at: usize) -> String {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let bytes = self.ends.get(at).and_then(|end| self.bytes.get(start..*end)).unwrap_or_default();
        let found = RawDocument::from_bytes(bytes).ok().and_then(|write| match self.verb {
            Verb::Insert => Some(name_of(write)),
            Verb::Update => write.get_document("q").ok().map(name_of),
        });
        found.unwrap_or_else(|| format!("number {at}"))
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;
    use crate::shape::{ACCOUNTS, KEYS, PAGES};

    #[test]
    fn writes_that_do_not_fit_go_into_several_statements_in_order() {
        let mut writes = Writes::new(Verb::Insert, "pages");
        let large = "x".repeat(5 * 1024 * 1024);
        for at in 0..5 {
            writes.push(|document| {
                document.small_number("_id", at).text("text", &large);
            });
        }
        let statements: Vec<_> = writes.statements().collect::<Result<_, _>>().unwrap();
        let ids = |statement: &RawDocumentBuf| -> Vec<i32> {
            let documents = statement.get_array("documents").unwrap();
            documents.into_iter().map(|row| row.unwrap().as_document().unwrap().get_i32("_id").unwrap()).collect()
        };
        assert_eq!(
            statements.iter().map(|statement| ids(&statement.document)).collect::<Vec<_>>(),
            [vec![0, 1], vec![2, 3], vec![4]]
        );
        let places = statements.iter().map(|statement| (statement.first, statement.length));
        assert_eq!(places.collect::<Vec<_>>(), [(0, 2), (2, 2), (4, 1)]);
        assert!(statements.iter().all(|statement| statement.document.as_bytes().len() < 16 * 1024 * 1024));
    }

    #[test]
    fn nothing_to_write_is_no_statement() {
        assert_eq!(Writes::new(Verb::Update, "accounts").statements().count(), 0);
    }

    /// What is said of a write to `collection`, the second of a statement, that failed with a code.
    fn failure(verb: Verb, collection: &'static str, code: i32) -> StoreError {
        let mut writes = Writes::new(verb, collection);
        for account in ["zoe", "alice", "bob"] {
            writes.push(|write| match verb {
                Verb::Update => {
                    write.document("q").text("_id", account);
                }
                Verb::Insert => {
                    write.document("_id").text("account", account);
                }
            });
        }
        let failed = doc! { "index": 1, "code": code, "errmsg": "it is so" };
        writes.check_reply(0, 3, &doc! { "ok": 1.0, "n": 1, "writeErrors": [failed] }).unwrap_err()
    }

    #[test]
    fn only_what_two_settlers_do_at_once_is_a_conflict() {
        for (collection, code) in [(ACCOUNTS, 112), (PAGES, 112), (KEYS, 112), (ACCOUNTS, 11000)] {
            let error = failure(Verb::Update, collection, code);
            assert!(error.is_conflict() && error.retry_helps(), "{error}");
        }
        for (collection, code) in [(ACCOUNTS, 17419), (ACCOUNTS, 10334), (ACCOUNTS, 121), (PAGES, 11000), (KEYS, 11000)]
        {
            let error = failure(Verb::Update, collection, code);
            assert!(!error.is_conflict() && !error.retry_helps(), "{error}");
            let said = format!(
                "MongoDB does not take the document alice of the collection {collection}: it is so (code {code})"
            );
            assert_eq!(error.to_string(), said);
        }
        let error = failure(Verb::Insert, PAGES, 11000).to_string();
        assert!(error.starts_with(r#"MongoDB does not take the document { "account": "alice" } of"#), "{error}");
    }

    #[test]
    fn documents_that_were_not_there_to_be_written_are_no_conflict() {
        let mut writes = Writes::new(Verb::Update, ACCOUNTS);
        writes.push(|write| {
            write.document("q").text("_id", "alice");
        });
        assert!(writes.check_reply(0, 1, &doc! { "ok": 1.0, "n": 1 }).is_ok());
        let error = writes.check_reply(0, 1, &doc! { "ok": 1.0, "n": 0 }).unwrap_err();
        assert!(!error.retry_helps());
        assert_eq!(error.to_string(), "MongoDB wrote 0 of 1 documents of the collection accounts, from alice on");
    }
}
