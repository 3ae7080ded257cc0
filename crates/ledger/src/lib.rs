//! The rules of money, as values and one fold.
//!
//! A [`Command`] is what a client asked for, as it stands in the log. [`settle`] folds commands, in the order of the
//! log, over the accounts they touch and says what became of each: an [`Outcome`], with the [`Entry`] it left in the
//! account's book. Nothing here reads a clock, a file or a socket: the time is the command's own (`recorded_at`, the
//! broker's time), so settling the same commands over the same accounts always gives the same outcomes.
//!
//! Bounds: an amount is 1 to [`Amount::MAX_MINOR_UNITS`] minor units; an account keeps at most [`MAX_OPEN_HOLDS`] open
//! holds; every sum is 64 bits and checked, and one that would not fit is a refusal. The balance of a [`ContraAccount`] is
//! such a sum too: a partition takes at least 1,024 of the largest deposits in a currency beyond what it has paid out. A
//! refusal is data ([`Refusal`]), never an error: this crate has errors only for text that is not an id, a position, a
//! currency or an amount.
//!
//! Promises, held by the property tests beside [`settle`]: debits equal credits; balance is the fold of the entries;
//! held is the sum of the open holds; what is available is never negative; sequence numbers have no gaps; a hold ends
//! once; the chain of digests verifies.

mod account;
mod account_id;
mod book;
mod command;
mod entry;
mod hold;
mod money;
mod page;
mod position;
mod refusal;
mod settle;
mod timestamp;

pub use account::{Account, ContraAccount, ContraId, InvalidContraId, Status};
pub use account_id::{AccountId, InvalidAccountId};
pub use book::{AccountChange, Book, Changes, KnownKey, Policy};
pub use command::{Action, Command, Fingerprint, Idempotency, IdempotencyKey, InvalidText, Kind, Reference};
pub use entry::{Digest, Entry, EntryStatus, Outcome};
pub use hold::{Hold, HoldEnd, MAX_OPEN_HOLDS};
pub use money::{Amount, Currency, InvalidAmount, Money, UnknownCurrency};
pub use page::{PAGE_CAPACITY, page_number, page_sequences, turned_pages};
pub use position::{
    COMMANDS, Generation, InvalidPosition, InvalidTransactionId, Offset, Partition, Position, TransactionId,
};
pub use refusal::Refusal;
pub use settle::settle;
pub use timestamp::Timestamp;
