//! Reading bodies. Bounds: a body is held in memory up to the limit its reader names, and all bodies of a listener that wait
//! together up to its [`Room`]; what goes on beyond is read and thrown away up to [`DISCARDED`], so that the client can read
//! the answer, then the connection is closed. One that has not come [`WITHIN`] is given up.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const DISCARDED: usize = 64 * 1024 * 1024;

/// How long a body may take to come.
pub(crate) const WITHIN: Duration = Duration::from_secs(60);

/// Why a body could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    TooLarge,
    Broken,
    /// It did not come in time.
    Slow,
    /// The bodies that wait leave no room for it.
    NoRoom,
}

/// Room for the bytes of bodies that wait together.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Semaphore>);

/// Bytes that are taken of a room, for as long as this lives.
#[derive(Debug, Default)]
pub(crate) struct Held(Option<OwnedSemaphorePermit>);

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }
}

impl Held {
    /// Takes more, if there is that much.
    fn take(&mut self, room: &Room, bytes: usize) -> bool {
        let taken = u32::try_from(bytes).ok().and_then(|bytes| Arc::clone(&room.0).try_acquire_many_owned(bytes).ok());
        let Some(taken) = taken else { return false };
        match &mut self.0 {
            Some(held) => held.merge(taken),
            none => *none = Some(taken),
        }
        true
    }
}

/// A body of at most `limit` bytes, with the trailers after it.
pub(crate) async fn read_body(body: Incoming, limit: usize) -> Result<(Bytes, HeaderMap), BodyError> {
    read(body, limit, |_| true).await
}

/// The same out of a room, within [`WITHIN`], and without trailers.
pub(crate) async fn read_body_into(room: &Room, body: Incoming, limit: usize) -> Result<(Bytes, Held), BodyError> {
    let mut held = Held::default();
    let read = read(body, limit, |bytes| {
        let admitted = held.take(room, bytes);
        if !admitted {
            // Others have room while the rest of this one is thrown away.
            held = Held::default();
        }
        admitted
    });
    let (bytes, _) = tokio::time::timeout(WITHIN, read).await.unwrap_or(Err(BodyError::Slow))?;
    Ok((bytes, held))
}

/// One that comes in a single piece is not copied.
async fn read(
    mut body: Incoming,
    limit: usize,
    mut admit: impl FnMut(usize) -> bool,
) -> Result<(Bytes, HeaderMap), BodyError> {
    let (mut first, mut whole, mut trailers) = (Bytes::new(), None::<BytesMut>, HeaderMap::new());
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let data = match frame.map_err(|_| BodyError::Broken)?.into_data() {
            Ok(data) => data,
            Err(frame) => {
                trailers.extend(frame.into_trailers().unwrap_or_default());
                continue;
            }
        };
        let length = whole.as_ref().map_or(first.len(), BytesMut::len);
        let error = if length + data.len() > limit {
            Some(BodyError::TooLarge)
        } else {
            (!admit(data.len())).then_some(BodyError::NoRoom)
        };
        if let Some(error) = error {
            discard(body).await;
            return Err(error);
        }
        if length == 0 {
            first = data;
        } else {
            whole.get_or_insert_with(|| BytesMut::from(std::mem::take(&mut first))).extend_from_slice(&data);
        }
    }
    Ok((whole.map_or(first, BytesMut::freeze), trailers))
}

async fn discard(mut body: Incoming) {
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > DISCARDED {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_taken_by_the_byte_and_given_back_with_what_was_held() {
        let room = Room::new(10);
        let (mut first, mut second) = (Held::default(), Held::default());
        assert!(first.take(&room, 4) && first.take(&room, 3) && second.take(&room, 3));
        assert!(!second.take(&room, 1), "it is full");
        drop(first);
        assert!(second.take(&room, 7) && !second.take(&room, 1));
    }
}
