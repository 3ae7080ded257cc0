//! Reads everything a batch can touch: its accounts, contra accounts, keys, and holds that have ended.

use std::collections::{HashMap, HashSet};

use ledger::{
    Account, AccountId, Book, Command, ContraId, Digest, PAGE_CAPACITY, Partition, Position, Timestamp, turned_pages,
};
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};

use crate::error::StoreError;
use crate::hold_search::HoldSearch;
use crate::mongo::Store;
use crate::mongo::rows::{WHOLE_REPLY, each_in_session};
use crate::shape::{
    ACCOUNTS, Fields, KEYS, Malformed, OpenPage, PAGES, key_id, read_account, read_contra, read_key, read_open_page,
    read_page, without_page,
};

/// The book of a batch, filled, and what writing it back needs to know of the accounts as they were.
pub(super) struct Gathered {
    pub(super) book: Book,
    pub(super) before: HashMap<AccountId, Before>,
}

pub(super) struct Before {
    pub(super) sequence: u64,
    pub(super) head: Digest,
    pub(super) had_holds: bool,
    /// The open page, where the batch turns it or asks it after a hold.
    pub(super) open_page: Option<OpenPage>,
}

/// What one account's commands need beside the account.
#[derive(Default)]
struct Wanted {
    commands: u64,
    /// Requests that are captured or released and were not made in this batch.
    requests: Vec<Position>,
}

impl Store {
    pub(super) async fn gather(
        &self,
        session: &mut ClientSession,
        partition: Partition,
        commands: &[&Command],
        clock: Timestamp,
        settled_at: Timestamp,
    ) -> Result<Gathered, StoreError> {
        let mut wanted = wanted_by_account(commands);
        let mut gathered = Gathered {
            book: Book::new(self.config.policy, partition, clock, settled_at),
            before: HashMap::with_capacity(wanted.len()),
        };
        // Where most pages are about to turn, they come along with their accounts.
        let with_pages = commands.len() as u64 >= wanted.len() as u64 * PAGE_CAPACITY / 2;
        let contra = contra_ids(partition, commands);
        self.read_accounts(session, &mut wanted, contra, with_pages, &mut gathered).await?;
        if !with_pages {
            self.read_open_pages(session, &wanted, &mut gathered).await?;
        }
        self.read_keys(session, commands, &mut gathered.book).await?;
        self.read_ended_holds(session, &wanted, &mut gathered).await?;
        Ok(gathered)
    }

    async fn read_accounts(
        &self,
        session: &mut ClientSession,
        wanted: &mut HashMap<AccountId, Wanted>,
        contra: Vec<String>,
        with_pages: bool,
        gathered: &mut Gathered,
    ) -> Result<(), StoreError> {
        let ids: Vec<&str> = wanted.keys().map(AccountId::as_str).chain(contra.iter().map(String::as_str)).collect();
        let accounts = self.collection(ACCOUNTS);
        let mut find = accounts.find(doc! { "_id": { "$in": ids } }).batch_size(WHOLE_REPLY);
        if !with_pages {
            find = find.projection(without_page());
        }
        let cursor = find.session(&mut *session).await?;
        each_in_session(cursor, session, ACCOUNTS, |fields| {
            if fields.text("_id")?.starts_with('@') {
                gathered.book.add_contra(read_contra(fields)?);
                return Ok(());
            }
            let account = read_account(fields, fields.parsed("_id")?)?;
            if let Some(wanted) = wanted.get_mut(&account.id) {
                wanted.requests.retain(|request| !account.has_open_hold(*request));
            }
            let mut before = Before::from(&account);
            before.open_page = with_pages.then(|| read_open_page(fields)).transpose()?;
            gathered.before.insert(account.id.clone(), before);
            gathered.book.add_account(account);
            Ok(())
        })
        .await
    }

    /// The open pages of the accounts whose page turns or may know how a hold ended.
    async fn read_open_pages(
        &self,
        session: &mut ClientSession,
        wanted: &HashMap<AccountId, Wanted>,
        gathered: &mut Gathered,
    ) -> Result<(), StoreError> {
        let is_needed = |(id, before): &(&AccountId, &Before)| {
            wanted.get(*id).is_some_and(|wanted| {
                !wanted.requests.is_empty()
                    || !turned_pages(before.sequence, before.sequence + wanted.commands).is_empty()
            })
        };
        let ids: Vec<&str> = gathered.before.iter().filter(is_needed).map(|(id, _)| id.as_str()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let cursor = self
            .collection(ACCOUNTS)
            .find(doc! { "_id": { "$in": ids } })
            .projection(doc! { "page": 1, "sequence": 1 })
            .batch_size(WHOLE_REPLY)
            .session(&mut *session)
            .await?;
        each_in_session(cursor, session, ACCOUNTS, |fields| {
            let id: AccountId = fields.parsed("_id")?;
            if let Some(before) = gathered.before.get_mut(&id) {
                before.open_page = Some(read_open_page(fields)?);
            }
            Ok(())
        })
        .await
    }

    async fn read_keys(
        &self,
        session: &mut ClientSession,
        commands: &[&Command],
        book: &mut Book,
    ) -> Result<(), StoreError> {
        let id = |command: &&Command| Some(key_id(&command.account, &command.idempotency.as_ref()?.key));
        let ids: Vec<Document> = commands.iter().filter_map(id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let cursor = self
            .collection(KEYS)
            .find(doc! { "_id": { "$in": ids } })
            .batch_size(WHOLE_REPLY)
            .session(&mut *session)
            .await?;
        each_in_session(cursor, session, KEYS, |fields| {
            let (account, key, known) = read_key(fields)?;
            book.add_key(account, key, known);
            Ok(())
        })
        .await
    }

    /// How the holds ended that the batch names and no account keeps open: the open pages know, or the turned ones do.
    async fn read_ended_holds(
        &self,
        session: &mut ClientSession,
        wanted: &HashMap<AccountId, Wanted>,
        gathered: &mut Gathered,
    ) -> Result<(), StoreError> {
        let mut holds = HoldSearch::default();
        for (id, wanted) in wanted.iter().filter(|(id, _)| gathered.before.contains_key(*id)) {
            holds.add(id, &wanted.requests);
            if let Some(page) = gathered.before.get(id).and_then(|before| before.open_page.as_ref()) {
                holds.look_through(id, &page.entries);
            }
        }
        let missing = holds.without_an_end();
        if !missing.is_empty() {
            let pages = self.collection(PAGES);
            let cursor = pages.find(doc! { "holds": { "$in": missing } }).session(&mut *session).await?;
            each_in_session(cursor, session, PAGES, |fields: Fields<'_>| -> Result<(), Malformed> {
                let page = read_page(fields)?;
                holds.look_through(&page.account, &page.entries);
                Ok(())
            })
            .await?;
        }
        holds.tell(&mut gathered.book);
        Ok(())
    }
}

impl From<&Account> for Before {
    fn from(account: &Account) -> Self {
        Self { sequence: account.sequence, head: account.head, had_holds: !account.holds.is_empty(), open_page: None }
    }
}

fn wanted_by_account(commands: &[&Command]) -> HashMap<AccountId, Wanted> {
    let mut wanted: HashMap<AccountId, Wanted> = HashMap::new();
    let first = commands.first().map(|command| command.position);
    for command in commands {
        if !wanted.contains_key(&command.account) {
            wanted.insert(command.account.clone(), Wanted::default());
        }
        let Some(wanted) = wanted.get_mut(&command.account) else { continue };
        wanted.commands += 1;
        wanted.requests.extend(command.action.request().filter(|request| is_older(*request, first)));
    }
    wanted
}

/// Whether a request was made before the batch. One of its own partition from its first position on was not: it is the
/// batch's own, or there is none yet.
fn is_older(request: Position, first: Option<Position>) -> bool {
    let stream = |position: Position| (position.generation(), position.partition());
    first.is_some_and(|first| stream(request) != stream(first) || request.offset() < first.offset())
}

fn contra_ids(partition: Partition, commands: &[&Command]) -> Vec<String> {
    let currencies: HashSet<_> =
        commands.iter().filter_map(|command| command.action.money()).map(|money| money.currency).collect();
    currencies.into_iter().map(|currency| ContraId { currency, partition }.to_string()).collect()
}
