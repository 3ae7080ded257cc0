//! Many statements or documents in few commands.

use mongodb::ClientSession;
use mongodb::bson::{Document, RawDocument, RawDocumentBuf};

use crate::error::StoreError;
use crate::mongo::Store;
use crate::mongo::rows::name_of;
use crate::shape::DocumentWriter;

/// A command is one document, and MongoDB takes documents of 16 MB; the rest is room for a last large statement.
const MAX_COMMAND_BYTES: usize = 12 * 1024 * 1024;
/// MongoDB takes 100,000 writes a command.
const MAX_STATEMENTS: usize = 100_000;

/// What a command's statements are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verb {
    Update,
    Insert,
}

/// Statements for one collection, each a document, one after the other.
pub(super) struct Statements {
    verb: Verb,
    collection: &'static str,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Statements {
    pub(super) fn new(verb: Verb, collection: &'static str) -> Self {
        Self { verb, collection, bytes: Vec::new(), ends: Vec::new() }
    }

    pub(super) fn push(&mut self, write: impl FnOnce(&mut DocumentWriter<'_>)) {
        write(&mut DocumentWriter::open(&mut self.bytes));
        self.ends.push(self.bytes.len());
    }

    /// The commands that hold them all, in order.
    pub(super) fn commands(&self) -> Result<Vec<Command<'_>>, StoreError> {
        let mut commands = Vec::new();
        let (mut first, mut start) = (0, 0);
        while first < self.ends.len() {
            let fits = |end: &usize| *end - start <= MAX_COMMAND_BYTES;
            let fitting = self.ends[first..].iter().take(MAX_STATEMENTS).take_while(|end| fits(end)).count().max(1);
            let document = self.command(start, &self.ends[first..first + fitting])?;
            commands.push(Command { document, statements: self, first, length: fitting });
            first += fitting;
            start = self.ends[first - 1];
        }
        Ok(commands)
    }

    fn command(&self, start: usize, ends: &[usize]) -> Result<RawDocumentBuf, StoreError> {
        let length = ends.last().map_or(0, |end| end - start);
        let mut command = Vec::with_capacity(length + 12 * ends.len() + 100);
        {
            let mut document = DocumentWriter::open(&mut command);
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
        RawDocumentBuf::from_bytes(command).map_err(|error| StoreError::Setup(error.to_string()))
    }
}

/// Some of the statements, in a row, as one command.
pub(super) struct Command<'s> {
    document: RawDocumentBuf,
    statements: &'s Statements,
    /// Which of the statements it begins with, and how many it has.
    first: usize,
    length: usize,
}

impl Store {
    pub(super) async fn run(&self, session: &mut ClientSession, commands: Vec<Command<'_>>) -> Result<(), StoreError> {
        for Command { document, statements, first, length } in commands {
            match self.database.run_raw_command(document).session(&mut *session).await {
                Ok(reply) => statements.check_reply(first, length, &reply)?,
                Err(error) => {
                    return Err(StoreError::of_command(statements.collection, statements.id_of(first), error));
                }
            }
        }
        Ok(())
    }
}

impl Statements {
    /// A command's reply may say `ok` and name statements that failed all the same.
    fn check_reply(&self, first: usize, length: usize, reply: &Document) -> Result<(), StoreError> {
        let failed = reply.get_array("writeErrors").ok().and_then(|errors| errors.first()?.as_document());
        if let Some(failed) = failed {
            let at = first + failed.get_i32("index").map_or(0, |index| index.unsigned_abs() as usize);
            let message = failed.get_str("errmsg").unwrap_or("MongoDB does not say why");
            let code = failed.get_i32("code").unwrap_or_default();
            return Err(StoreError::of_document(self.collection, self.id_of(at), code, message));
        }
        let written = reply.get_i32("n").map(i64::from).or_else(|_| reply.get_i64("n")).unwrap_or(0);
        if written == length as i64 {
            return Ok(());
        }
        Err(StoreError::Incomplete { collection: self.collection, id: self.id_of(first), written, asked: length })
    }

    /// Which document a statement is about, for people to read.
    fn id_of(&self, at: usize) -> String {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let bytes = self.ends.get(at).and_then(|end| self.bytes.get(start..*end)).unwrap_or_default();
        let found = RawDocument::from_bytes(bytes).ok().and_then(|statement| match self.verb {
            Verb::Insert => Some(name_of(statement)),
            Verb::Update => statement.get_document("q").ok().map(name_of),
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
    fn statements_that_do_not_fit_go_into_several_commands_in_order() {
        let mut statements = Statements::new(Verb::Insert, "pages");
        let large = "x".repeat(5 * 1024 * 1024);
        for at in 0..5 {
            statements.push(|document| {
                document.small_number("_id", at).text("text", &large);
            });
        }
        let commands = statements.commands().unwrap();
        let ids = |command: &RawDocumentBuf| -> Vec<i32> {
            let documents = command.get_array("documents").unwrap();
            documents.into_iter().map(|row| row.unwrap().as_document().unwrap().get_i32("_id").unwrap()).collect()
        };
        assert_eq!(
            commands.iter().map(|command| ids(&command.document)).collect::<Vec<_>>(),
            [vec![0, 1], vec![2, 3], vec![4]]
        );
        let places = commands.iter().map(|command| (command.first, command.length));
        assert_eq!(places.collect::<Vec<_>>(), [(0, 2), (2, 2), (4, 1)]);
        assert!(commands.iter().all(|command| command.document.as_bytes().len() < 16 * 1024 * 1024));
    }

    #[test]
    fn nothing_to_write_is_no_command() {
        assert!(Statements::new(Verb::Update, "accounts").commands().unwrap().is_empty());
    }

    /// What is said of a statement of `collection`, the second of a command, that failed with a code.
    fn failure(verb: Verb, collection: &'static str, code: i32) -> StoreError {
        let mut statements = Statements::new(verb, collection);
        for account in ["zoe", "alice", "bob"] {
            statements.push(|statement| match verb {
                Verb::Update => {
                    statement.document("q").text("_id", account);
                }
                Verb::Insert => {
                    statement.document("_id").text("account", account);
                }
            });
        }
        let failed = doc! { "index": 1, "code": code, "errmsg": "it is so" };
        statements.check_reply(0, 3, &doc! { "ok": 1.0, "n": 1, "writeErrors": [failed] }).unwrap_err()
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
        let mut statements = Statements::new(Verb::Update, ACCOUNTS);
        statements.push(|statement| {
            statement.document("q").text("_id", "alice");
        });
        assert!(statements.check_reply(0, 1, &doc! { "ok": 1.0, "n": 1 }).is_ok());
        let error = statements.check_reply(0, 1, &doc! { "ok": 1.0, "n": 0 }).unwrap_err();
        assert!(!error.retry_helps());
        assert_eq!(error.to_string(), "MongoDB wrote 0 of 1 documents of the collection accounts, from alice on");
    }
}
