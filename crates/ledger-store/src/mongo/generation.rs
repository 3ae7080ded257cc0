//! Begins a generation of the command topic: every partition's fence stands at offset 0 again.

use std::time::Duration;

use ledger::{Generation, Partition};
use mongodb::bson::doc;
use tokio::time::Instant;

use super::Store;
use super::commit::commit;
use super::{committed, durable};
use crate::error::{GenerationError, StoreError};
use crate::fence::Fence;
use crate::shape::{FENCES, fence_document, fence_id};

/// How long a commit may stay unknown.
const PATIENCE: Duration = Duration::from_secs(10);

impl Store {
    /// Sets the fences of a topic that has just been created. To begin a generation again of which nothing has been
    /// applied changes nothing. What an older generation left unsettled is the caller's to look after before: its
    /// log is gone.
    ///
    /// # Errors
    /// When a later generation has begun, or something of this one has been applied.
    pub async fn begin_generation(
        &self,
        topic: &str,
        partitions: Partition,
        generation: Generation,
    ) -> Result<(), GenerationError> {
        if partitions == 0 || generation == 0 {
            return Err(GenerationError::Nothing);
        }
        let fences: Vec<Fence> = self.fences().await?.into_iter().filter(|fence| fence.topic == topic).collect();
        check_may_begin(topic, generation, &fences)?;
        self.set_fences(topic, partitions, generation).await.map_err(GenerationError::from)
    }

    async fn set_fences(&self, topic: &str, partitions: Partition, generation: Generation) -> Result<(), StoreError> {
        let collection = self.collection(FENCES);
        let mut session = self.client.start_session().await?;
        session.start_transaction().read_concern(committed()).write_concern(durable()).await?;
        for partition in 0..partitions {
            let fence = fence_document(&Fence::at_beginning(topic, partition, generation));
            let id = doc! { "_id": fence_id(topic, partition) };
            collection.update_one(id, doc! { "$set": fence }).upsert(true).session(&mut session).await?;
        }
        // The fence of a partition that is no more moves on too: without one, or with the old one, the old generation's
        // transactions of that partition would be called accepted for ever.
        let gone = doc! { "topic": topic, "partition": { "$gte": i32::from(partitions) } };
        let over = doc! { "$set": { "generation": i32::from(generation), "next_offset": 0_i64 } };
        collection.update_many(gone, over).session(&mut session).await?;
        commit(&mut session, Instant::now() + PATIENCE).await
    }
}

fn check_may_begin(topic: &str, asked: Generation, fences: &[Fence]) -> Result<(), GenerationError> {
    let topic = || topic.to_owned();
    if let Some(later) = fences.iter().find(|fence| fence.generation > asked) {
        return Err(GenerationError::Older { topic: topic(), asked, found: later.generation });
    }
    match fences.iter().find(|fence| fence.generation == asked && fence.next_offset > 0) {
        Some(Fence { partition, next_offset, .. }) => {
            Err(GenerationError::InUse { topic: topic(), asked, partition: *partition, next_offset: *next_offset })
        }
        None => Ok(()),
    }
}
