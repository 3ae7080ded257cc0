//! Finds the entries that stand at given positions, wherever they have been turned to.
//!
//! An account is read before its pages: an entry that is not in the open page by then has either been turned over, and
//! its page is there, or had not been written.

use std::collections::{HashMap, HashSet};

use ledger::{AccountId, Entry, Outcome, Position, TransactionId};
use mongodb::bson::{Document, doc};

use super::rows::{WHOLE_REPLY, each};
use super::{Store, committed};
use crate::batch::DeadLetter;
use crate::error::StoreError;
use crate::shape::{
    ACCOUNTS, DEAD_LETTERS, PAGES, UNBOOKED, read_dead_letter, read_open_page, read_page, read_unbooked, stream_start,
};

impl Store {
    /// The outcomes of those of the ids that have been settled.
    pub(super) async fn find_outcomes(&self, ids: &[TransactionId]) -> Result<HashMap<Position, Outcome>, StoreError> {
        let mut wanted: HashMap<AccountId, Vec<Position>> = HashMap::new();
        for id in ids {
            wanted.entry(id.account.clone()).or_default().push(id.position);
        }
        let mut found = self.find_in_open_pages(&wanted).await?;
        for (account, mut positions) in wanted {
            positions.retain(|position| !found.contains_key(position));
            positions.sort_unstable();
            for stream in positions.chunk_by(|a, b| stream_start(&account, *a) == stream_start(&account, *b)) {
                self.find_in_pages(&account, stream, &mut found).await?;
            }
        }
        let missing: Vec<_> = ids.iter().filter(|id| !found.contains_key(&id.position)).collect();
        if !missing.is_empty() {
            self.find_unbooked(&missing, &mut found).await?;
        }
        Ok(found)
    }

    async fn find_in_open_pages(
        &self,
        wanted: &HashMap<AccountId, Vec<Position>>,
    ) -> Result<HashMap<Position, Outcome>, StoreError> {
        let mut found = HashMap::new();
        let positions: HashSet<Position> = wanted.values().flatten().copied().collect();
        let ids: Vec<&str> = wanted.keys().map(AccountId::as_str).collect();
        let cursor = self
            .collection(ACCOUNTS)
            .find(doc! { "_id": { "$in": ids } })
            .projection(doc! { "page": 1, "sequence": 1 })
            .batch_size(WHOLE_REPLY)
            .read_concern(committed())
            .await?;
        each(cursor, ACCOUNTS, |fields| {
            let account: AccountId = fields.parsed("_id")?;
            keep(&mut found, &account, read_open_page(fields)?.entries, &positions);
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// `positions` are of one generation and partition, in order.
    async fn find_in_pages(
        &self,
        account: &AccountId,
        positions: &[Position],
        found: &mut HashMap<Position, Outcome>,
    ) -> Result<(), StoreError> {
        let (Some(lowest), Some(highest)) = (positions.first(), positions.last()) else { return Ok(()) };
        let id = |position| TransactionId { account: account.clone(), position }.to_string();
        let from = stream_start(account, *lowest).to_string();
        let wanted: HashSet<Position> = positions.iter().copied().collect();
        // The page where the lowest stands starts at or before it; the further ones start within the range.
        let first_page = doc! { "first": { "$gte": &from, "$lte": id(*lowest) } };
        self.read_pages(first_page, Some(1), account, &wanted, found).await?;
        let further = doc! { "$or": [
            { "first": { "$gt": id(*lowest), "$lte": id(*highest) } },
            { "others": { "$elemMatch": { "$gte": &from, "$lte": id(*highest) } } },
        ] };
        if wanted.iter().any(|position| !found.contains_key(position)) {
            self.read_pages(further, None, account, &wanted, found).await?;
        }
        Ok(())
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

    pub(super) async fn find_dead_letters(
        &self,
        positions: &[Position],
    ) -> Result<HashMap<Position, DeadLetter>, StoreError> {
        let ids: Vec<String> = positions.iter().map(Position::to_string).collect();
        let letters = self.collection(DEAD_LETTERS);
        let cursor = letters.find(doc! { "_id": { "$in": ids } }).read_concern(committed()).await?;
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
