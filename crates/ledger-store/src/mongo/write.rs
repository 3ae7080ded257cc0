//! What batches write, as writes to each collection: each account once, full pages, keys, unbooked outcomes, dead letters,
//! and of the fences what only the end of a batch knows.

use ledger::AccountChange;

use super::writes::{Verb, Writes};
use crate::books::Work;
use crate::error::StoreError;
use crate::shape::{
    ACCOUNTS, DEAD_LETTERS, FENCES, KEYS, PAGES, UNBOOKED, write_contra_update, write_dead_letter, write_key,
    write_key_update, write_new_account, write_page, write_unbooked, write_update, write_voids,
};

type Make = fn(&[Work]) -> Result<Writes, StoreError>;

/// Each makes one kind of writes; they go in this order.
pub(super) const ALL: [Make; 8] =
    [account_updates, new_accounts, pages, new_keys, taken_keys, set_aside, unbooked, voids];

fn account_updates(works: &[Work]) -> Result<Writes, StoreError> {
    let mut writes = Writes::new(Verb::Update, ACCOUNTS);
    for change in works.iter().flat_map(|work| &work.changes.accounts) {
        if let AccountChange { before: Some(before), .. } = change {
            writes.push(|write| write_update(write, before, change));
        }
    }
    for work in works {
        for contra in &work.changes.contra {
            writes.try_push(|write| {
                let written = write_contra_update(write, contra, work.settled_at);
                written.map_err(|malformed| malformed.in_document(ACCOUNTS, contra.id))
            })?;
        }
    }
    Ok(writes)
}

fn new_accounts(works: &[Work]) -> Result<Writes, StoreError> {
    let mut writes = Writes::new(Verb::Insert, ACCOUNTS);
    for work in works {
        for change in work.changes.accounts.iter().filter(|change| change.before.is_none()) {
            writes.push(|document| write_new_account(document, change, work.settled_at));
        }
    }
    Ok(writes)
}

fn pages(works: &[Work]) -> Result<Writes, StoreError> {
    let mut writes = Writes::new(Verb::Insert, PAGES);
    for page in works.iter().flat_map(|work| &work.changes.accounts).flat_map(|change| &change.turned) {
        writes.push(|document| write_page(document, page));
    }
    Ok(writes)
}

fn new_keys(works: &[Work]) -> Result<Writes, StoreError> {
    let mut writes = Writes::new(Verb::Insert, KEYS);
    for work in works {
        for change in work.changes.keys.iter().filter(|change| !change.replaces) {
            writes.push(|document| write_key(document, change, work.keys_swept_at));
        }
    }
    Ok(writes)
}

/// A key whose time was over stands for a new command; what it stood for goes.
fn taken_keys(works: &[Work]) -> Result<Writes, StoreError> {
    let mut writes = Writes::new(Verb::Update, KEYS);
    for work in works {
        for change in work.changes.keys.iter().filter(|change| change.replaces) {
            writes.push(|write| write_key_update(write, change, work.keys_swept_at));
        }
    }
    Ok(writes)
}

fn unbooked(works: &[Work]) -> Result<Writes, StoreError> {
    let mut writes = Writes::new(Verb::Insert, UNBOOKED);
    for outcome in works.iter().flat_map(|work| &work.unbooked) {
        writes.push(|document| write_unbooked(document, outcome));
    }
    Ok(writes)
}

fn set_aside(works: &[Work]) -> Result<Writes, StoreError> {
    let mut writes = Writes::new(Verb::Insert, DEAD_LETTERS);
    for work in works {
        for (position, letter) in &work.dead_letters {
            writes.push(|document| write_dead_letter(document, &work.topic, *position, letter));
        }
    }
    Ok(writes)
}

fn voids(works: &[Work]) -> Result<Writes, StoreError> {
    let mut writes = Writes::new(Verb::Update, FENCES);
    for work in works.iter().filter(|work| work.voids > 0) {
        writes.push(|write| write_voids(write, &work.topic, work.partition, work.voids));
    }
    Ok(writes)
}
