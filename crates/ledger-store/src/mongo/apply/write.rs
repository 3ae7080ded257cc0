//! Writes what a batch changed: each account once, full pages, keys, unbooked outcomes, dead letters.

use std::collections::HashMap;
use std::time::Instant as StopWatch;

use ledger::{
    AccountChange, AccountId, Changes, Digest, Entry, Outcome, PAGE_CAPACITY, Position, Timestamp, page_sequences,
    turned_pages,
};
use mongodb::ClientSession;

use super::gather::Before;
use super::statements::{Statements, Verb};
use crate::batch::DeadLetter;
use crate::error::StoreError;
use crate::mongo::Store;
use crate::shape::{
    ACCOUNTS, DEAD_LETTERS, KEYS, PAGES, Page, UNBOOKED, write_contra_update, write_dead_letter, write_key,
    write_new_account, write_page, write_unbooked, write_update,
};
use crate::spent::Step;

/// All there is to write of a batch.
pub(super) struct Work<'a> {
    pub(super) changes: &'a Changes,
    pub(super) before: &'a HashMap<AccountId, Before>,
    pub(super) unbooked: Vec<&'a Outcome>,
    pub(super) dead_letters: Vec<(Position, &'a DeadLetter)>,
    pub(super) topic: &'a str,
    pub(super) settled_at: Timestamp,
}

impl Store {
    pub(super) async fn write(
        &self,
        session: &mut ClientSession,
        work: Work<'_>,
        mark: &mut StopWatch,
    ) -> Result<(), StoreError> {
        let key_lifetime_ms = i64::try_from(self.config.key_lifetime.as_millis()).unwrap_or(i64::MAX);
        let all = [
            account_updates(&work),
            new_accounts(&work),
            pages(&work)?,
            keys(&work, key_lifetime_ms),
            set_aside(&work),
            unbooked(&work),
        ];
        let mut commands = Vec::new();
        for statements in &all {
            commands.extend(statements.commands()?);
        }
        self.meter.lap(Step::Encode, mark);
        self.run(session, commands).await?;
        self.meter.lap(Step::Write, mark);
        Ok(())
    }
}

fn account_updates(work: &Work<'_>) -> Statements {
    let mut statements = Statements::new(Verb::Update, ACCOUNTS);
    for change in work.changes.accounts.iter().filter(|change| !change.is_new) {
        let had_holds = work.before.get(&change.account.id).is_some_and(|before| before.had_holds);
        statements.push(|statement| write_update(statement, change, had_holds));
    }
    for contra in &work.changes.contra {
        statements.push(|statement| write_contra_update(statement, contra, work.settled_at));
    }
    statements
}

fn new_accounts(work: &Work<'_>) -> Statements {
    let mut statements = Statements::new(Verb::Insert, ACCOUNTS);
    for change in work.changes.accounts.iter().filter(|change| change.is_new) {
        statements.push(|document| write_new_account(document, change, work.settled_at));
    }
    statements
}

fn pages(work: &Work<'_>) -> Result<Statements, StoreError> {
    let mut statements = Statements::new(Verb::Insert, PAGES);
    for change in &work.changes.accounts {
        for page in pages_of(change, work.before.get(&change.account.id))? {
            statements.push(|document| write_page(document, &page));
        }
    }
    Ok(statements)
}

/// The pages that an account's new entries turned: the old open page's entries first, then the new ones.
fn pages_of<'a>(change: &'a AccountChange, before: Option<&'a Before>) -> Result<Vec<Page<'a>>, StoreError> {
    let turned = turned_pages(change.sequence_before, change.account.sequence);
    if turned.is_empty() {
        return Ok(Vec::new());
    }
    let account = &change.account.id;
    let open = before.and_then(|before| before.open_page.as_ref()).map_or(&[][..], |page| page.entries.as_slice());
    let mut entries = open.iter().chain(&change.entries).peekable();
    // A page that was full before the batch ends with the entry that was the head before it.
    let full_before = (change.sequence_before == *page_sequences(turned.start).end())
        .then(|| before.map(|before| before.head))
        .flatten();
    let mut heads = full_before.into_iter().chain(change.page_heads.iter().copied());
    turned
        .map(|number| {
            let sequences = page_sequences(number);
            let of_page: Vec<&Entry> =
                std::iter::from_fn(|| entries.next_if(|entry| sequences.contains(&entry.sequence))).collect();
            let is_whole = of_page.len() as u64 == PAGE_CAPACITY;
            let head: Option<Digest> = heads.next();
            match head {
                Some(head) if is_whole => Ok(Page { account, entries: of_page, head }),
                _ => Err(StoreError::Malformed {
                    collection: ACCOUNTS,
                    id: account.to_string(),
                    what: format!("`page` does not hold the entries of page {number}"),
                }),
            }
        })
        .collect()
}

fn keys(work: &Work<'_>, lifetime_ms: i64) -> Statements {
    let mut statements = Statements::new(Verb::Insert, KEYS);
    let expires_at = Timestamp::from_epoch_ms(work.settled_at.epoch_ms().saturating_add(lifetime_ms));
    for (account, key, known) in &work.changes.keys {
        statements.push(|document| write_key(document, account, key, known, expires_at));
    }
    statements
}

fn unbooked(work: &Work<'_>) -> Statements {
    let mut statements = Statements::new(Verb::Insert, UNBOOKED);
    for outcome in &work.unbooked {
        statements.push(|document| write_unbooked(document, outcome));
    }
    statements
}

fn set_aside(work: &Work<'_>) -> Statements {
    let mut statements = Statements::new(Verb::Insert, DEAD_LETTERS);
    for (position, letter) in &work.dead_letters {
        statements.push(|document| write_dead_letter(document, work.topic, *position, letter));
    }
    statements
}
