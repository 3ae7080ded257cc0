//! What a batch writes, as writes to each collection: each account once, full pages, keys, unbooked outcomes, dead letters,
//! and of the fence what only the end of the batch knows.

use ledger::AccountChange;

use super::writes::{Verb, Writes};
use crate::books::Work;
use crate::error::StoreError;
use crate::shape::{
    ACCOUNTS, DEAD_LETTERS, FENCES, KEYS, PAGES, UNBOOKED, write_contra_update, write_dead_letter, write_key,
    write_key_update, write_new_account, write_page, write_unbooked, write_update, write_voids,
};

pub(super) fn all(work: &Work) -> Result<[Writes; 8], StoreError> {
    Ok([
        account_updates(work)?,
        new_accounts(work),
        pages(work),
        new_keys(work),
        taken_keys(work),
        set_aside(work),
        unbooked(work),
        voids(work),
    ])
}

fn account_updates(work: &Work) -> Result<Writes, StoreError> {
    let mut writes = Writes::new(Verb::Update, ACCOUNTS);
    for change in &work.changes.accounts {
        if let AccountChange { before: Some(before), .. } = change {
            writes.push(|write| write_update(write, before, change));
        }
    }
    for contra in &work.changes.contra {
        writes.try_push(|write| {
            let written = write_contra_update(write, contra, work.settled_at);
            written.map_err(|malformed| malformed.in_document(ACCOUNTS, contra.id))
        })?;
    }
    Ok(writes)
}

fn new_accounts(work: &Work) -> Writes {
    let mut writes = Writes::new(Verb::Insert, ACCOUNTS);
    for change in work.changes.accounts.iter().filter(|change| change.before.is_none()) {
        writes.push(|document| write_new_account(document, change, work.settled_at));
    }
    writes
}

fn pages(work: &Work) -> Writes {
    let mut writes = Writes::new(Verb::Insert, PAGES);
    for page in work.changes.accounts.iter().flat_map(|change| &change.turned) {
        writes.push(|document| write_page(document, page));
    }
    writes
}

fn new_keys(work: &Work) -> Writes {
    let mut writes = Writes::new(Verb::Insert, KEYS);
    for change in work.changes.keys.iter().filter(|change| !change.replaces) {
        writes.push(|document| write_key(document, change, work.keys_swept_at));
    }
    writes
}

/// A key whose time was over stands for a new command; what it stood for goes.
fn taken_keys(work: &Work) -> Writes {
    let mut writes = Writes::new(Verb::Update, KEYS);
    for change in work.changes.keys.iter().filter(|change| change.replaces) {
        writes.push(|write| write_key_update(write, change, work.keys_swept_at));
    }
    writes
}

fn unbooked(work: &Work) -> Writes {
    let mut writes = Writes::new(Verb::Insert, UNBOOKED);
    for outcome in &work.unbooked {
        writes.push(|document| write_unbooked(document, outcome));
    }
    writes
}

fn set_aside(work: &Work) -> Writes {
    let mut writes = Writes::new(Verb::Insert, DEAD_LETTERS);
    for (position, letter) in &work.dead_letters {
        writes.push(|document| write_dead_letter(document, &work.topic, *position, letter));
    }
    writes
}

fn voids(work: &Work) -> Writes {
    let mut writes = Writes::new(Verb::Update, FENCES);
    if work.voids > 0 {
        writes.push(|write| write_voids(write, &work.topic, work.partition, work.voids));
    }
    writes
}
