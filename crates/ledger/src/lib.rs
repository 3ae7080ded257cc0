//! The rules of money, as values and one fold.
//!
//! A [`Command`] is what a client asked for, as it stands in the log. [`settle`] folds commands, in the order of the
//! log, over the accounts they touch and says what became of each: an [`Outcome`], with the [`Entry`] it left in the
//! account's book. Nothing here reads a clock, a file or a socket: the time is the command's own (`recorded_at`, the
//! broker's time), so settling the same commands over the same accounts always gives the same outcomes.
//!
//! Bounds: an amount is 1 to [`Amount::MAX_MINOR_UNITS`] minor units; an account keeps at most [`MAX_OPEN_HOLDS`] open
//! holds; a balance is 64 bits and checked, and one that would not fit is a refusal. The balance of a [`ContraAccount`] has
//! 128 bits and takes whatever its accounts take. A refusal is data ([`Refusal`]), never an error: this crate has errors only
//! for text that is not an id, a position, a currency or an amount, for an account that cannot be ([`Unsound`]), and for what
//! a batch asks for and nobody has read ([`NotRead`]).
//!
//! Promises, held by the property tests beside [`settle`]: debits equal credits; balance and held money are the fold of the
//! entries; held is the sum of the open holds; what is available is never negative; sequence numbers have no gaps; a hold
//! ends once; the chain of digests verifies; a log gives the same heads however it is cut into batches.

mod account;
mod account_id;
mod command;
mod contra;
mod digest;
mod entry;
mod hold;
mod line;
mod money;
mod page;
mod placement;
mod policy;
mod position;
mod refusal;
mod settle;
mod sheet;
mod soundness;
mod timestamp;
mod worksheet;

pub use account::{Account, Status};
pub use account_id::{AccountId, InvalidAccountId};
pub use command::{
    Action, Command, Fingerprint, Idempotency, IdempotencyKey, InvalidKey, InvalidText, Kind, Reference,
};
pub use contra::{ContraAccount, ContraId, InvalidContraId};
pub use digest::{Digest, chain_start};
pub use entry::{Balances, Entry, Outcome};
pub use hold::{ExpiredHold, Hold, HoldEnd, MAX_OPEN_HOLDS};
pub use line::{Change, Line, Standing};
pub use money::{Amount, Currency, InvalidAmount, InvalidCurrency, Money};
pub use page::{OpenPage, PAGE_CAPACITY, Page, page_number, place_in_page, turned_pages};
pub use placement::{Placement, partition_of};
pub use policy::Policy;
pub use position::{
    COMMANDS, Generation, InvalidPosition, InvalidTransactionId, Offset, Partition, Position, SAMPLES, TransactionId,
};
pub use refusal::Refusal;
pub use settle::settle;
pub use soundness::{Unsound, check_open_page};
pub use timestamp::Timestamp;
pub use worksheet::{AccountChange, Changes, KeyChange, KnownKey, NotRead, Worksheet};
