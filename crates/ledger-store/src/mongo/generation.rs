//! Begins a generation of the command topic: every partition's fence stands at offset 0 again.

use std::time::Duration;

use ledger::{Generation, Partition, Timestamp};
use mongodb::ClientSession;
use mongodb::bson::doc;
use mongodb::options::ReadConcern;
use tokio::time::Instant;

use super::MongoStore;
use super::commit::commit;
use super::durable;
use super::rows::each_in_session;
use crate::error::{GenerationError, StoreError};
use crate::fence::Fence;
use crate::generation::check_may_begin;
use crate::shape::{FENCES, fence_document, fence_id, read_fence};

/// How long a commit may stay unknown.
const PATIENCE: Duration = Duration::from_secs(10);

impl MongoStore {
    /// Sets the fences of a topic that is about to be created, or has just been. To begin a generation again of which
    /// nothing has been applied changes nothing. What an older generation left unsettled is the caller's to look after
    /// before: its log is gone. `began_at` is a moment when it was gone and the new one was not there yet, by the clock
    /// that stamps the records; nothing where no such moment is known.
    ///
    /// # Errors
    /// When a later generation has begun, or something of this one has been applied.
    pub async fn begin_generation(
        &self,
        topic: &str,
        partitions: Partition,
        generation: Generation,
        began_at: Option<Timestamp>,
    ) -> Result<(), GenerationError> {
        let mut session = self.books.client.start_session().await.map_err(StoreError::from)?;
        let start = session.start_transaction().read_concern(ReadConcern::snapshot()).write_concern(durable());
        start.await.map_err(StoreError::from)?;
        // In the transaction that sets them: a settler that moves one of them meanwhile conflicts with it.
        let fences = self.fences_of(topic, &mut session).await?;
        if let Err(refusal) = check_may_begin(topic, partitions, generation, &fences) {
            drop(session.abort_transaction().await);
            return Err(refusal);
        }
        let beginnings = Fence::begin(topic, partitions, generation, began_at, &fences);
        self.set_fences(&beginnings, &mut session).await?;
        Ok(commit(&mut session, Instant::now() + PATIENCE).await?)
    }

    async fn fences_of(&self, topic: &str, session: &mut ClientSession) -> Result<Vec<Fence>, StoreError> {
        let mut fences = Vec::new();
        let cursor = self.books.collection(FENCES).find(doc! { "topic": topic }).session(&mut *session).await?;
        each_in_session(cursor, session, FENCES, |fields| {
            fences.push(read_fence(fields)?);
            Ok(())
        })
        .await?;
        Ok(fences)
    }

    async fn set_fences(&self, beginnings: &[Fence], session: &mut ClientSession) -> Result<(), StoreError> {
        let collection = self.books.collection(FENCES);
        for fence in beginnings {
            let id = doc! { "_id": fence_id(&fence.topic, fence.partition) };
            let set = doc! { "$set": fence_document(fence) };
            collection.update_one(id, set).upsert(true).session(&mut *session).await?;
        }
        Ok(())
    }
}
