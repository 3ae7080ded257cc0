//! Begins a generation of the command topic: every partition's fence stands at offset 0 again.

use std::time::Duration;

use ledger::{Generation, Partition, Timestamp};
use mongodb::bson::doc;
use tokio::time::Instant;

use super::MongoStore;
use super::commit::commit;
use super::{committed, durable};
use crate::error::{GenerationError, StoreError};
use crate::fence::Fence;
use crate::generation::check_may_begin;
use crate::shape::{FENCES, fence_document, fence_id};

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
        let fences: Vec<Fence> = self.fences().await?.into_iter().filter(|fence| fence.topic == topic).collect();
        check_may_begin(topic, partitions, generation, &fences)?;
        let beginnings = Fence::begin(topic, partitions, generation, began_at, &fences);
        self.set_fences(&beginnings).await.map_err(GenerationError::from)
    }

    async fn set_fences(&self, beginnings: &[Fence]) -> Result<(), StoreError> {
        let collection = self.books.collection(FENCES);
        let mut session = self.books.client.start_session().await?;
        session.start_transaction().read_concern(committed()).write_concern(durable()).await?;
        for fence in beginnings {
            let id = doc! { "_id": fence_id(&fence.topic, fence.partition) };
            let set = doc! { "$set": fence_document(fence) };
            collection.update_one(id, set).upsert(true).session(&mut session).await?;
        }
        commit(&mut session, Instant::now() + PATIENCE).await
    }
}
