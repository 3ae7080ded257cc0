//! What the collections of MongoDB hold, as values.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger::{
    Account, AccountId, ContraAccount, ContraId, Entry, IdempotencyKey, KnownKey, OpenPage, Outcome, Page, Partition,
    Position, TransactionId,
};

use crate::batch::{Applied, DeadLetter};
use crate::books::Work;
use crate::capability::Lookup;
use crate::fence::{Fence, FenceMove, Whereabouts, whereabouts};

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) fences: BTreeMap<Partition, Fence>,
    pub(super) accounts: BTreeMap<AccountId, Arc<Kept>>,
    pub(super) pages: BTreeMap<(AccountId, u64), Arc<Page>>,
    pub(super) contra: BTreeMap<ContraId, ContraAccount>,
    pub(super) keys: BTreeMap<(AccountId, String), KnownKey>,
    pub(super) unbooked: BTreeMap<Position, Outcome>,
    pub(super) dead_letters: BTreeMap<Position, DeadLetter>,
}

/// An account with its open page.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) account: Account,
    pub(super) open_page: Vec<Entry>,
    /// The commit that wrote it last.
    pub(super) version: u64,
}

pub(super) fn key_place(account: &AccountId, key: &IdempotencyKey) -> (AccountId, String) {
    (account.clone(), key.as_str().to_owned())
}

impl State {
    pub(super) fn move_fence(&mut self, to: &FenceMove) {
        let begun = || match self.begun_fence(&to.topic) {
            Some(sibling) => Fence::of_added_partition(to.partition, sibling),
            None => Fence::at_beginning(&to.topic, to.partition, to.generation, None),
        };
        let fence = self.fences.get(&to.partition).cloned().unwrap_or_else(begun);
        self.fences.insert(to.partition, fence.moved(to));
    }

    /// The fence of some partition with which the topic's generation began, where it did.
    pub(super) fn begun_fence(&self, topic: &str) -> Option<&Fence> {
        self.fences.values().find(|fence| fence.topic == topic && fence.partitions.is_some())
    }

    pub(super) fn write(&mut self, work: &Work, version: u64) {
        for change in &work.changes.accounts {
            let id = change.after.id.clone();
            let mut open_page = match (&change.open_page, self.accounts.get(&id)) {
                (OpenPage::Grown(_), Some(kept)) => kept.open_page.clone(),
                _ => Vec::new(),
            };
            open_page.extend_from_slice(change.open_page.entries());
            for page in &change.turned {
                self.pages.insert((id.clone(), page.number), Arc::new(page.clone()));
            }
            self.accounts.insert(id, Arc::new(Kept { account: change.after.clone(), open_page, version }));
        }
        self.contra.extend(work.changes.contra.iter().map(|contra| (contra.id, contra.clone())));
        self.keys
            .extend(work.changes.keys.iter().map(|change| (key_place(&change.account, &change.key), change.known)));
        self.unbooked.extend(work.unbooked.iter().map(|outcome| (outcome.entry.position, outcome.clone())));
        self.dead_letters.extend(work.dead_letters.iter().cloned());
        if let Some(fence) = self.fences.get_mut(&work.partition) {
            fence.voids += work.voids;
        }
    }

    /// An account's turned pages, the oldest first.
    pub(super) fn pages_of(&self, account: &AccountId) -> impl DoubleEndedIterator<Item = &Arc<Page>> {
        let range = (account.clone(), 0)..=(account.clone(), u64::MAX);
        self.pages.range(range).map(|(_, page)| page)
    }

    /// An account's entries, the oldest first.
    pub(super) fn entries_of(&self, account: &AccountId) -> impl DoubleEndedIterator<Item = &Entry> {
        let open = self.accounts.get(account).map_or(&[][..], |kept| kept.open_page.as_slice());
        self.pages_of(account).flat_map(|page| &page.entries).chain(open)
    }

    pub(super) fn applied(&self, id: &Option<TransactionId>, position: Position) -> Option<Applied> {
        let settled = id.as_ref().and_then(|id| self.find(id)).map(Applied::Settled);
        settled.or_else(|| self.dead_letters.get(&position).cloned().map(Applied::Unreadable))
    }

    fn find(&self, id: &TransactionId) -> Option<Outcome> {
        let booked = self.entries_of(&id.account).find(|entry| entry.position == id.position);
        let outcome = booked.map(|entry| Outcome { account: id.account.clone(), entry: entry.clone() });
        outcome.or_else(|| self.unbooked.get(&id.position).filter(|outcome| outcome.account == id.account).cloned())
    }

    pub(super) fn look_up(&self, id: &TransactionId) -> Lookup {
        match whereabouts(self.fences.get(&id.position.partition()).map(Fence::reached), id) {
            Whereabouts::NoFence if self.fences.values().all(|fence| fence.partitions.is_none()) => {
                return Lookup::Accepted;
            }
            Whereabouts::ToCome => return Lookup::Accepted,
            Whereabouts::NoFence | Whereabouts::Impossible => return Lookup::NotFound,
            Whereabouts::Passed => {}
        }
        let letter = || self.dead_letters.iter().find(|(position, letter)| letter.id(**position).as_ref() == Some(id));
        match (self.find(id), letter()) {
            (Some(outcome), _) => Lookup::Settled(outcome),
            (None, Some((_, letter))) => {
                Lookup::Unreadable { why: letter.why.clone(), recorded_at: letter.recorded_at }
            }
            (None, None) => Lookup::NotFound,
        }
    }
}
