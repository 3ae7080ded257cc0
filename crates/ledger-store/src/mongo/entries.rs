//! Finds what became of commands: the entries that stand at given positions, wherever they have been turned to, and what
//! stands in no book.
//!
//! An account is read before its pages: an entry that is not in the open page by then has either been turned over, and
//! its page is there, or had not been written. The turned pages come last: they cost a query or two an account, the open
//! pages, the unbooked outcomes and the dead letters one each for all.

use std::collections::{HashMap, HashSet};

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use ledger::{AccountId, Entry, Generation, Outcome, Partition, Position, TransactionId};
use mongodb::bson::{Document, doc};

use super::rows::{WHOLE_REPLY, each};
use super::{Mongo, committed};
use crate::batch::{Applied, DeadLetter, LogRecord};
use crate::error::StoreError;
use crate::shape::{
    ACCOUNTS, DEAD_LETTERS, PAGES, UNBOOKED, read_dead_letter, read_open_page, read_page, read_unbooked, stream_start,
};

/// How many accounts' pages are looked through at once.
const PAGE_SEARCHES: usize = 8;

/// What the places know that answer for all accounts at once, and where else there is to look.
pub(super) struct Near {
    pub(super) outcomes: HashMap<Position, Outcome>,
    /// The accounts that have turned pages.
    turned: HashSet<AccountId>,
}

impl Mongo {
    /// The outcome of a command that has been settled.
    pub(super) async fn find_outcome(&self, id: &TransactionId) -> Result<Option<Outcome>, StoreError> {
        let ids = std::slice::from_ref(id);
        let mut near = self.find_near(ids).await?;
        if near.outcomes.is_empty() {
            self.find_in_turned_pages(ids, &mut near).await?;
        }
        Ok(near.outcomes.remove(&id.position))
    }

    /// What became of records that have been applied.
    pub(super) async fn find_all(
        &self,
        partition: Partition,
        generation: Generation,
        records: &[LogRecord],
    ) -> Result<Vec<(Position, Applied)>, StoreError> {
        let positions: Vec<_> = records.iter().map(|record| record.position(generation, partition)).collect();
        let ids = records.iter().zip(&positions).filter_map(|(record, position)| record.id_at(*position));
        let mut ids: Vec<TransactionId> = ids.collect();
        let mut near = self.find_near(&ids).await?;
        let missing: Vec<_> =
            positions.iter().copied().filter(|position| !near.outcomes.contains_key(position)).collect();
        let unreadable = if missing.is_empty() { HashMap::new() } else { self.find_dead_letters(&missing).await? };
        ids.retain(|id| !near.outcomes.contains_key(&id.position) && !unreadable.contains_key(&id.position));
        self.find_in_turned_pages(&ids, &mut near).await?;
        let settled = near.outcomes.into_iter().map(|(position, outcome)| (position, Applied::Settled(outcome)));
        let letters = unreadable.into_iter().map(|(position, letter)| (position, Applied::Unreadable(letter)));
        // A dead letter first: where both are there, what stands in the book was settled.
        Ok(letters.chain(settled).collect())
    }

    /// The outcomes that stand in open pages, and those that stand in no book.
    pub(super) async fn find_near(&self, ids: &[TransactionId]) -> Result<Near, StoreError> {
        let mut near = self.find_in_open_pages(ids).await?;
        let missing: Vec<_> = ids.iter().filter(|id| !near.outcomes.contains_key(&id.position)).collect();
        if !missing.is_empty() {
            self.find_unbooked(&missing, &mut near.outcomes).await?;
        }
        Ok(near)
    }

    async fn find_in_open_pages(&self, wanted: &[TransactionId]) -> Result<Near, StoreError> {
        let mut near = Near { outcomes: HashMap::new(), turned: HashSet::new() };
        let positions: HashSet<Position> = wanted.iter().map(|id| id.position).collect();
        let ids: HashSet<&str> = wanted.iter().map(|id| id.account.as_str()).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let cursor = self
            .collection(ACCOUNTS)
            .find(doc! { "_id": { "$in": ids } })
            .projection(doc! { "page": 1, "sequence": 1 })
            .batch_size(WHOLE_REPLY)
            .read_concern(committed())
            .await?;
        each(cursor, ACCOUNTS, |fields| {
            let account: AccountId = fields.parsed("_id")?;
            let page = read_open_page(fields)?;
            let has_turned = page.sequence > page.entries.len() as u64;
            keep(&mut near.outcomes, &account, page.entries, &positions);
            if has_turned {
                near.turned.insert(account);
            }
            Ok(())
        })
        .await?;
        Ok(near)
    }

    /// Adds the outcomes that stand in turned pages.
    pub(super) async fn find_in_turned_pages(&self, ids: &[TransactionId], near: &mut Near) -> Result<(), StoreError> {
        let mut ids: Vec<&TransactionId> = ids.iter().filter(|id| near.turned.contains(&id.account)).collect();
        ids.sort_unstable();
        let start = |id: &TransactionId| stream_start(&id.account, id.position);
        let searches: Vec<_> =
            ids.chunk_by(|a, b| start(a) == start(b)).map(|stream| self.find_in_pages(stream).boxed()).collect();
        let found: Vec<_> = stream::iter(searches).buffer_unordered(PAGE_SEARCHES).try_collect().await?;
        near.outcomes.extend(found.into_iter().flatten());
        Ok(())
    }

    /// `ids` are of one account, generation and partition, in order.
    async fn find_in_pages(&self, ids: &[&TransactionId]) -> Result<HashMap<Position, Outcome>, StoreError> {
        let mut found = HashMap::new();
        let (Some(lowest), Some(highest)) = (ids.first(), ids.last()) else { return Ok(found) };
        let account = &lowest.account;
        let from = stream_start(account, lowest.position).to_string();
        let wanted: HashSet<Position> = ids.iter().map(|id| id.position).collect();
        // The page where the lowest stands starts at or before it; the further ones start within the range.
        let first_page = doc! { "first": { "$gte": &from, "$lte": lowest.to_string() } };
        self.read_pages(first_page, Some(1), account, &wanted, &mut found).await?;
        let further = doc! { "$or": [
            { "first": { "$gt": lowest.to_string(), "$lte": highest.to_string() } },
            { "others": { "$elemMatch": { "$gte": &from, "$lte": highest.to_string() } } },
        ] };
        if found.len() < wanted.len() {
            self.read_pages(further, None, account, &wanted, &mut found).await?;
        }
        Ok(found)
    }

    async fn read_pages(
        &self,
        filter: Document,
        limit: Option<i64>,
        account: &AccountId,
        wanted: &HashSet<Position>,
        found: &mut HashMap<Position, Outcome>,
    ) -> Result<(), StoreError> {
        let pages = self.collection(PAGES);
        let find = pages.find(filter).read_concern(committed());
        let cursor = match limit {
            Some(limit) => find.sort(doc! { "first": -1 }).limit(limit).await?,
            None => find.await?,
        };
        each(cursor, PAGES, |fields| {
            keep(found, account, read_page(fields)?.entries, wanted);
            Ok(())
        })
        .await
    }

    async fn find_unbooked(
        &self,
        ids: &[&TransactionId],
        found: &mut HashMap<Position, Outcome>,
    ) -> Result<(), StoreError> {
        let ids: Vec<String> = ids.iter().map(|id| id.to_string()).collect();
        let cursor = self.collection(UNBOOKED).find(doc! { "_id": { "$in": ids } }).read_concern(committed()).await?;
        each(cursor, UNBOOKED, |fields| {
            let outcome = read_unbooked(fields)?;
            found.insert(outcome.entry.position, outcome);
            Ok(())
        })
        .await
    }

    /// What was set aside where it stands.
    pub(super) async fn find_dead_letters(
        &self,
        positions: &[Position],
    ) -> Result<HashMap<Position, DeadLetter>, StoreError> {
        let ids: Vec<String> = positions.iter().map(Position::to_string).collect();
        self.read_dead_letters(doc! { "_id": { "$in": ids } }).await
    }

    /// What was set aside under an id.
    pub(super) async fn find_dead_letter_of(&self, id: &TransactionId) -> Result<Option<DeadLetter>, StoreError> {
        let position = id.position.to_string();
        let found =
            self.read_dead_letters(doc! { "$or": [{ "_id": &position }, { "accepted_as": &position }] }).await?;
        Ok(found.into_iter().find(|(at, letter)| letter.id(*at).as_ref() == Some(id)).map(|(_, letter)| letter))
    }

    async fn read_dead_letters(&self, filter: Document) -> Result<HashMap<Position, DeadLetter>, StoreError> {
        let cursor = self.collection(DEAD_LETTERS).find(filter).read_concern(committed()).await?;
        let mut found = HashMap::new();
        each(cursor, DEAD_LETTERS, |fields| {
            let (position, letter) = read_dead_letter(fields)?;
            found.insert(position, letter);
            Ok(())
        })
        .await?;
        Ok(found)
    }
}

fn keep(found: &mut HashMap<Position, Outcome>, account: &AccountId, entries: Vec<Entry>, wanted: &HashSet<Position>) {
    for entry in entries.into_iter().filter(|entry| wanted.contains(&entry.position)) {
        found.insert(entry.position, Outcome { account: account.clone(), entry });
    }
}
