//! Many statements or documents in few commands.

use mongodb::ClientSession;
use mongodb::bson::{Document, RawDocumentBuf};

use crate::error::StoreError;
use crate::mongo::Store;
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

    /// The commands that hold them all, in order, and how many statements each has.
    pub(super) fn into_commands(self) -> Result<Vec<(RawDocumentBuf, i64)>, StoreError> {
        let mut commands = Vec::new();
        let (mut first, mut start) = (0, 0);
        while first < self.ends.len() {
            let fits = |end: &usize| *end - start <= MAX_COMMAND_BYTES;
            let fitting = self.ends[first..].iter().take(MAX_STATEMENTS).take_while(|end| fits(end)).count().max(1);
            commands.push((self.command(start, &self.ends[first..first + fitting])?, fitting as i64));
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

impl Store {
    pub(super) async fn run(
        &self,
        session: &mut ClientSession,
        commands: Vec<(RawDocumentBuf, i64)>,
    ) -> Result<(), StoreError> {
        for (command, statements) in commands {
            let reply = self.database.run_raw_command(command).session(&mut *session).await?;
            check_reply(&reply, statements)?;
        }
        Ok(())
    }
}

/// A command's reply may say `ok` and name statements that failed all the same.
fn check_reply(reply: &Document, statements: i64) -> Result<(), StoreError> {
    if let Some(error) = reply.get_array("writeErrors").ok().and_then(|errors| errors.first()) {
        return Err(StoreError::Conflict(error.to_string()));
    }
    let written = reply.get_i32("n").map(i64::from).or_else(|_| reply.get_i64("n")).unwrap_or(0);
    if written == statements {
        return Ok(());
    }
    Err(StoreError::Conflict(format!("{written} of {statements} documents were there to be written")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_do_not_fit_go_into_several_commands_in_order() {
        let mut statements = Statements::new(Verb::Insert, "pages");
        let large = "x".repeat(5 * 1024 * 1024);
        for at in 0..5 {
            statements.push(|document| {
                document.small_number("_id", at).text("text", &large);
            });
        }
        let commands = statements.into_commands().unwrap();
        let ids = |command: &RawDocumentBuf| -> Vec<i32> {
            let documents = command.get_array("documents").unwrap();
            documents.into_iter().map(|row| row.unwrap().as_document().unwrap().get_i32("_id").unwrap()).collect()
        };
        assert_eq!(
            commands.iter().map(|(command, _)| ids(command)).collect::<Vec<_>>(),
            [vec![0, 1], vec![2, 3], vec![4]]
        );
        assert_eq!(commands.iter().map(|(_, statements)| *statements).collect::<Vec<_>>(), [2, 2, 1]);
        assert!(commands.iter().all(|(command, _)| command.as_bytes().len() < 16 * 1024 * 1024));
    }

    #[test]
    fn nothing_to_write_is_no_command() {
        assert!(Statements::new(Verb::Update, "accounts").into_commands().unwrap().is_empty());
    }
}
