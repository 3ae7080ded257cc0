//! Reads: what became of a command, what stands in an account.

use ledger::{AccountId, COMMANDS, Outcome, TransactionId, page_number};
use mongodb::bson::{RawDocumentBuf, doc};

use super::entries::Near;
use super::rows::each;
use super::{Mongo, MongoStore, committed};
use crate::capability::{AccountView, Lookup, MAX_STATEMENT_LIMIT};
use crate::error::StoreError;
use crate::fence::{Fence, Whereabouts, whereabouts};
use crate::shape::{
    ACCOUNTS, FENCES, Fields, PAGES, fence_id, page_id, read_account_view, read_fence, read_open_page, read_page,
    with_last_entry,
};

impl MongoStore {
    /// The fence of every partition that has one, by topic and partition.
    pub async fn fences(&self) -> Result<Vec<Fence>, StoreError> {
        let mut fences = Vec::new();
        let cursor = self.books.collection(FENCES).find(doc! {}).read_concern(committed()).await?;
        each(cursor, FENCES, |fields| {
            fences.push(read_fence(fields)?);
            Ok(())
        })
        .await?;
        fences.sort_unstable_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        Ok(fences)
    }
}

impl Mongo {
    /// The fence is read before the entry: what is below it by then has been written by then.
    pub(super) async fn look_up(&self, id: &TransactionId) -> Result<Lookup, StoreError> {
        let fence_id = fence_id(COMMANDS, id.position.partition());
        let fences = self.collection(FENCES);
        let row = fences.find_one(doc! { "_id": &fence_id }).read_concern(committed()).await?;
        let fence = row.map(|row| read_fence(Fields(&row)).map_err(|wrong| wrong.in_document(FENCES, &fence_id)));
        match whereabouts(fence.transpose()?.map(|fence| fence.reached()), id) {
            Whereabouts::Passed => self.look_up_passed(id).await,
            Whereabouts::ToCome => Ok(Lookup::Accepted),
            Whereabouts::Impossible => Ok(Lookup::NotFound),
            // A generation that was begun has a fence for each of its partitions.
            Whereabouts::NoFence => {
                let begun = fences.find_one(doc! { "topic": COMMANDS, "partitions": { "$gt": 0 } });
                let begun = begun.read_concern(committed()).await?.is_some();
                Ok(if begun { Lookup::NotFound } else { Lookup::Accepted })
            }
        }
    }

    /// What became of a command whose partition's fence is known to have passed it.
    pub(super) async fn look_up_passed(&self, id: &TransactionId) -> Result<Lookup, StoreError> {
        match self.find_outcome(id).await? {
            Some(outcome) => Ok(Lookup::Settled(outcome)),
            None => self.look_up_unbooked(id).await,
        }
    }

    /// What became of commands whose partitions' fences are known to have passed them, in their order, by as many reads
    /// as one of them takes; a turned page and a record that nobody could read cost one more each.
    pub(super) async fn look_up_all_passed(&self, ids: &[TransactionId]) -> Result<Vec<Lookup>, StoreError> {
        let mut near = self.find_near(ids).await?;
        let is_missing = |near: &Near, id: &TransactionId| !near.outcomes.contains_key(&id.position);
        let missing: Vec<_> = ids.iter().filter(|id| is_missing(&near, id)).cloned().collect();
        self.find_in_turned_pages(&missing, &mut near).await?;
        let mut lookups = Vec::with_capacity(ids.len());
        for id in ids {
            // Two may ask for one.
            let outcome = near.outcomes.get(&id.position).filter(|outcome| outcome.account == id.account).cloned();
            lookups.push(match outcome {
                Some(outcome) => Lookup::Settled(outcome),
                None => self.look_up_unbooked(id).await?,
            });
        }
        Ok(lookups)
    }

    async fn look_up_unbooked(&self, id: &TransactionId) -> Result<Lookup, StoreError> {
        Ok(match self.find_dead_letter_of(id).await? {
            Some(letter) => Lookup::Unreadable { why: letter.why, recorded_at: letter.recorded_at },
            None => Lookup::NotFound,
        })
    }

    pub(super) async fn read_account(&self, id: &AccountId) -> Result<Option<AccountView>, StoreError> {
        let row = self.account_row(id, with_last_entry()).await?;
        row.map(|row| read_account_view(Fields(&row), id.clone()).map_err(|wrong| wrong.in_document(ACCOUNTS, id)))
            .transpose()
    }

    /// The account is read before its pages, which never change: what has left its open page by then is in them.
    pub(super) async fn read_statement(
        &self,
        id: &AccountId,
        before_sequence: Option<u64>,
        limit: usize,
    ) -> Result<Option<Vec<Outcome>>, StoreError> {
        let limit = limit.min(MAX_STATEMENT_LIMIT);
        let Some(row) = self.account_row(id, doc! { "page": 1, "sequence": 1 }).await? else {
            return Ok(None);
        };
        let open = read_open_page(Fields(&row)).map_err(|wrong| wrong.in_document(ACCOUNTS, id))?;
        let before = before_sequence.unwrap_or(u64::MAX).min(open.sequence + 1);
        let mut entries: Vec<_> = open.entries.into_iter().rev().filter(|entry| entry.sequence < before).collect();
        entries.truncate(limit);
        let next = entries.last().map_or(before, |entry| entry.sequence);
        if entries.len() < limit && next > 1 {
            let lowest = next.saturating_sub((limit - entries.len()) as u64).max(1);
            let range = doc! { "_id": {
                "$gte": page_id(id, page_number(lowest)), "$lte": page_id(id, page_number(next - 1)),
            } };
            let cursor = self.collection(PAGES).find(range).sort(doc! { "_id": -1 }).read_concern(committed()).await?;
            each(cursor, PAGES, |fields| {
                let page = read_page(fields)?;
                entries.extend(page.entries.into_iter().rev().filter(|entry| entry.sequence < next));
                Ok(())
            })
            .await?;
            entries.truncate(limit);
        }
        Ok(Some(entries.into_iter().map(|entry| Outcome { account: id.clone(), entry }).collect()))
    }

    async fn account_row(
        &self,
        id: &AccountId,
        projection: mongodb::bson::Document,
    ) -> Result<Option<RawDocumentBuf>, StoreError> {
        let accounts = self.collection(ACCOUNTS);
        Ok(accounts.find_one(doc! { "_id": id.as_str() }).projection(projection).read_concern(committed()).await?)
    }
}
