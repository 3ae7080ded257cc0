//! Cursors over raw documents, row by row.

use mongodb::bson::{Bson, RawBsonRef, RawDocument, RawDocumentBuf};
use mongodb::{ClientSession, Cursor, SessionCursor};

use crate::error::StoreError;
use crate::shape::{Fields, Malformed};

/// As many documents as fit into one reply.
pub(super) const WHOLE_REPLY: u32 = 100_000;

/// Reads each document of a cursor within a session; `read` names its collection in errors.
pub(super) async fn each_in_session(
    mut cursor: SessionCursor<RawDocumentBuf>,
    session: &mut ClientSession,
    collection: &'static str,
    mut read: impl FnMut(Fields<'_>) -> Result<(), Malformed>,
) -> Result<(), StoreError> {
    while cursor.advance(session).await? {
        read_row(cursor.current(), collection, &mut read)?;
    }
    Ok(())
}

/// Reads each document of a cursor.
pub(super) async fn each(
    mut cursor: Cursor<RawDocumentBuf>,
    collection: &'static str,
    mut read: impl FnMut(Fields<'_>) -> Result<(), Malformed>,
) -> Result<(), StoreError> {
    while cursor.advance().await? {
        read_row(cursor.current(), collection, &mut read)?;
    }
    Ok(())
}

/// Reads one document.
pub(super) fn read_row(
    row: &RawDocument,
    collection: &'static str,
    read: &mut impl FnMut(Fields<'_>) -> Result<(), Malformed>,
) -> Result<(), StoreError> {
    read(Fields(row)).map_err(|malformed| malformed.in_document(collection, name_of(row)))
}

/// A document's id, for people to read.
pub(super) fn name_of(row: &RawDocument) -> String {
    match row.get("_id") {
        Ok(Some(RawBsonRef::String(id))) => id.to_owned(),
        Ok(Some(id)) => Bson::try_from(id).map_or_else(|_| "with a broken id".to_owned(), |id| id.to_string()),
        _ => "without an id".to_owned(),
    }
}
