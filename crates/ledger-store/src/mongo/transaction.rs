//! A transaction on MongoDB: snapshot reads, writes with the majority's journal, one session each.

use std::collections::HashMap;
use std::time::Instant as StopWatch;

use ledger::{AccountId, Entry, IdempotencyKey, KnownKey, Position};
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use mongodb::error::ErrorKind;
use mongodb::options::{ReadConcern, ReturnDocument};
use tokio::time::Instant;

use super::commit::commit;
use super::rows::{WHOLE_REPLY, each_in_session, read_row};
use super::writes::{Verb, Writes};
use super::{Mongo, durable};
use crate::books::{FoundAccounts, Transaction, WantedAccounts, Work};
use crate::error::StoreError;
use crate::fence::{Fence, FenceMove};
use crate::shape::{
    ACCOUNTS, FENCES, Fields, KEYS, PAGES, fence_advance, fence_document, fence_id, key_id, read_account, read_contra,
    read_fence, read_key, read_open_page, read_page, without_page, write_fence_advance,
};
use crate::spent::Step;

/// A transaction and the session that it runs in.
#[derive(Debug)]
pub struct MongoTransaction {
    mongo: Mongo,
    session: ClientSession,
}

impl MongoTransaction {
    pub(super) async fn begin(mongo: Mongo) -> Result<Self, StoreError> {
        let mut session = mongo.client.start_session().await?;
        let start = session.start_transaction().read_concern(ReadConcern::snapshot()).write_concern(durable());
        let Err(error) = start.await else { return Ok(Self { mongo, session }) };
        // Of a server that is away the driver says that it does not support transactions.
        if matches!(error.kind.as_ref(), ErrorKind::Transaction { .. }) {
            mongo.ping().await?;
            return Err(StoreError::Conflict(error.kind.to_string()));
        }
        Err(error.into())
    }

    /// Where a fence was just made: makes it that of a partition which was added to a generation that has begun.
    async fn begin_added_partition(&mut self, to: &FenceMove, id: &str) -> Result<Option<Fence>, StoreError> {
        let fences = self.mongo.collection(FENCES);
        let begun = doc! { "topic": &to.topic, "partitions": { "$gt": 0 } };
        let Some(sibling) = fences.find_one(begun).session(&mut self.session).await? else { return Ok(None) };
        let sibling = read_fence(Fields(&sibling)).map_err(|malformed| malformed.in_document(FENCES, &to.topic))?;
        let fence = Fence::of_added_partition(to.partition, &sibling);
        let set = doc! { "$set": fence_document(&fence.clone().moved(to)) };
        fences.update_one(doc! { "_id": id }, set).session(&mut self.session).await?;
        Ok(Some(fence))
    }

    /// The pages that a filter finds, with their accounts.
    async fn read_pages(&mut self, filter: Document) -> Result<Vec<(AccountId, Vec<Entry>)>, StoreError> {
        let pages = self.mongo.collection(PAGES);
        let cursor = pages.find(filter).session(&mut self.session).await?;
        let mut found = Vec::new();
        each_in_session(cursor, &mut self.session, PAGES, |fields| {
            let page = read_page(fields)?;
            found.push((page.account, page.entries));
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// One command both reads a fence and takes it.
    async fn move_fence(&mut self, to: &FenceMove) -> Result<Option<Fence>, StoreError> {
        let id = fence_id(&to.topic, to.partition);
        let row = self
            .mongo
            .collection(FENCES)
            .find_one_and_update(doc! { "_id": &id }, fence_advance(to))
            .upsert(true)
            .return_document(ReturnDocument::Before)
            .session(&mut self.session)
            .await?;
        match row {
            Some(row) => Ok(Some(read_fence(Fields(&row)).map_err(|malformed| malformed.in_document(FENCES, &id))?)),
            None => self.begin_added_partition(to, &id).await,
        }
    }

    /// The fences that are there, by their ids; one is not taken before it is written.
    async fn read_fences(&mut self, moves: &[FenceMove]) -> Result<HashMap<String, Fence>, StoreError> {
        let ids: Vec<String> = moves.iter().map(|to| fence_id(&to.topic, to.partition)).collect();
        let fences = self.mongo.collection(FENCES);
        let find = fences.find(doc! { "_id": { "$in": ids } }).batch_size(WHOLE_REPLY);
        let cursor = find.session(&mut self.session).await?;
        let mut found = HashMap::new();
        each_in_session(cursor, &mut self.session, FENCES, |fields| {
            let fence = read_fence(fields)?;
            found.insert(fence_id(&fence.topic, fence.partition), fence);
            Ok(())
        })
        .await?;
        Ok(found)
    }
}

impl Transaction for MongoTransaction {
    /// Of several fences, one command reads them and one takes them: what another transaction has written in between is a
    /// conflict, for both read one snapshot.
    async fn move_fences(&mut self, moves: &[FenceMove]) -> Result<Vec<Option<Fence>>, StoreError> {
        if let [to] = moves {
            return Ok(vec![self.move_fence(to).await?]);
        }
        let mut found = self.read_fences(moves).await?;
        let mut writes = Writes::new(Verb::Update, FENCES);
        for to in moves.iter().filter(|to| found.contains_key(&fence_id(&to.topic, to.partition))) {
            writes.push(|write| write_fence_advance(write, to));
        }
        for statement in writes.statements() {
            self.mongo.run(&mut self.session, statement?).await?;
        }
        let mut fences = Vec::with_capacity(moves.len());
        for to in moves {
            fences.push(match found.remove(&fence_id(&to.topic, to.partition)) {
                Some(fence) => Some(fence),
                None => self.move_fence(to).await?,
            });
        }
        Ok(fences)
    }

    async fn read_accounts(&mut self, wanted: &WantedAccounts, most_bytes: usize) -> Result<FoundAccounts, StoreError> {
        let contra: Vec<String> = wanted.contra.iter().map(ToString::to_string).collect();
        let accounts = wanted.accounts.iter().map(AccountId::as_str);
        let ids: Vec<&str> = accounts.chain(contra.iter().map(String::as_str)).collect();
        let accounts = self.mongo.collection(ACCOUNTS);
        let mut find = accounts.find(doc! { "_id": { "$in": ids } }).batch_size(WHOLE_REPLY);
        if !wanted.with_pages {
            find = find.projection(without_page());
        }
        let mut cursor = find.session(&mut self.session).await?;
        let mut found = FoundAccounts::default();
        while cursor.advance(&mut self.session).await? {
            let row = cursor.current();
            found.count(row.as_bytes().len(), most_bytes)?;
            read_row(row, ACCOUNTS, &mut |fields| {
                if fields.text("_id")?.starts_with('@') {
                    found.contra.push(read_contra(fields)?);
                    return Ok(());
                }
                let account = read_account(fields, fields.parsed("_id")?)?;
                let open_page = wanted.with_pages.then(|| read_open_page(fields)).transpose()?;
                found.accounts.push((account, open_page.map(|page| page.entries)));
                Ok(())
            })?;
        }
        Ok(found)
    }

    async fn read_open_pages(&mut self, accounts: &[AccountId]) -> Result<Vec<(AccountId, Vec<Entry>)>, StoreError> {
        let ids: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
        let cursor = self
            .mongo
            .collection(ACCOUNTS)
            .find(doc! { "_id": { "$in": ids } })
            .projection(doc! { "page": 1, "sequence": 1 })
            .batch_size(WHOLE_REPLY)
            .session(&mut self.session)
            .await?;
        let mut found = Vec::new();
        each_in_session(cursor, &mut self.session, ACCOUNTS, |fields| {
            found.push((fields.parsed("_id")?, read_open_page(fields)?.entries));
            Ok(())
        })
        .await?;
        Ok(found)
    }

    async fn read_ends_of_holds(&mut self, holds: &[Position]) -> Result<Vec<(AccountId, Vec<Entry>)>, StoreError> {
        let holds: Vec<String> = holds.iter().map(Position::to_string).collect();
        self.read_pages(doc! { "holds": { "$in": holds } }).await
    }

    async fn read_keys(
        &mut self,
        keys: &[(AccountId, IdempotencyKey)],
    ) -> Result<Vec<(AccountId, IdempotencyKey, KnownKey)>, StoreError> {
        let ids: Vec<Document> = keys.iter().map(|(account, key)| key_id(account, key)).collect();
        let keys = self.mongo.collection(KEYS);
        let find = keys.find(doc! { "_id": { "$in": ids } }).batch_size(WHOLE_REPLY);
        let cursor = find.session(&mut self.session).await?;
        let mut found = Vec::new();
        each_in_session(cursor, &mut self.session, KEYS, |fields| {
            found.push(read_key(fields)?);
            Ok(())
        })
        .await?;
        Ok(found)
    }

    async fn write(&mut self, works: &[Work]) -> Result<(), StoreError> {
        let mut mark = StopWatch::now();
        // Both the writes and their statement are copies, so only one of each lives at a time.
        for writes in super::write::ALL {
            for statement in writes(works)?.statements() {
                let statement = statement?;
                self.mongo.meter.lap(Step::Encode, &mut mark);
                let written = self.mongo.run(&mut self.session, statement).await;
                self.mongo.meter.lap(Step::Write, &mut mark);
                written?;
            }
        }
        Ok(())
    }

    async fn commit(&mut self, until: Instant) -> Result<(), StoreError> {
        commit(&mut self.session, until).await
    }

    async fn abort(&mut self) {
        if let Err(error) = self.session.abort_transaction().await {
            tracing::debug!(%error, "a transaction was left for the server to end");
        }
    }
}
