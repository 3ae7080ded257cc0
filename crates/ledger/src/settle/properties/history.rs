//! Generated histories: few accounts, few keys and small amounts, so that commands meet; now and then huge amounts, larger
//! than a command can name today, so that sums come to their ends.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use sha2::{Digest as _, Sha256};

use super::at;
use crate::{
    Account, Action, Amount, Command, Entry, EntryStatus, Idempotency, Kind, Money, Partition, Refusal, Status,
    Timestamp,
};

pub(super) const PARTITION: Partition = 7;
pub(super) const START: Timestamp = Timestamp::from_epoch_ms(1_700_000_000_000);

/// Alice's and Bob's accounts are opened by a first deposit, if by anything.
const ACCOUNTS: [&str; 4] = ["alice", "bob", "carol", "fred"];

/// Carol's account is there before, with an overdraft limit; Fred's is frozen.
pub(super) fn given_accounts() -> [Account; 2] {
    let open = |name: &str| Account::open(name.parse().unwrap(), "EUR".parse().unwrap());
    [Account { overdraft_limit: 100, ..open("carol") }, Account { status: Status::Frozen, ..open("fred") }]
}

#[derive(Debug, Clone)]
struct Draft {
    account: &'static str,
    /// How much later, or earlier, than the command before.
    seconds: i64,
    amount: i64,
    currency: &'static str,
    key: Option<&'static str>,
    shape: Shape,
}

#[derive(Debug, Clone)]
enum Shape {
    Deposit,
    Withdrawal,
    Request { expires_in_seconds: u32 },
    Capture { of: Target, is_final: bool },
    Release { of: Target },
}

/// The earlier command that a capture or a release is about: as a rule a request on the same account.
#[derive(Debug, Clone)]
struct Target {
    index: Index,
    is_astray: bool,
}

pub(super) fn commands() -> impl Strategy<Value = Vec<Command>> {
    prop::collection::vec(draft(), 1..60).prop_map(|drafts| {
        let mut commands = Vec::new();
        for draft in drafts {
            commands.push(draft.command(&commands));
        }
        commands
    })
}

fn draft() -> impl Strategy<Value = Draft> {
    let account = prop_oneof![8 => Just("alice"), 4 => select(ACCOUNTS.as_slice())];
    let seconds = prop_oneof![6 => Just(0), 6 => 0..4i64, 1 => -20..0i64, 1 => 4..30i64];
    let amount = prop_oneof![20 => 1..=120i64, 4 => 1..=9i64, 1 => i64::MAX - 120..=i64::MAX];
    let currency = prop_oneof![15 => Just("EUR"), 1 => Just("USD")];
    let key = prop_oneof![4 => Just(None), 1 => select(["a", "b", "c"].as_slice()).prop_map(Some)];
    (account, seconds, amount, currency, key, shape()).prop_map(|(account, seconds, amount, currency, key, shape)| {
        Draft { account, seconds, amount, currency, key, shape }
    })
}

fn shape() -> impl Strategy<Value = Shape> {
    let target =
        || (any::<Index>(), prop::bool::weighted(0.1)).prop_map(|(index, is_astray)| Target { index, is_astray });
    prop_oneof![
        4 => Just(Shape::Deposit),
        2 => Just(Shape::Withdrawal),
        4 => (1..20u32).prop_map(|expires_in_seconds| Shape::Request { expires_in_seconds }),
        3 => (target(), any::<bool>()).prop_map(|(of, is_final)| Shape::Capture { of, is_final }),
        2 => target().prop_map(|of| Shape::Release { of }),
    ]
}

impl Draft {
    fn command(self, earlier: &[Command]) -> Command {
        let money =
            Money { amount: Amount::from_books(self.amount).unwrap(), currency: self.currency.parse().unwrap() };
        let action = match &self.shape {
            Shape::Deposit => Action::Deposit(money),
            Shape::Withdrawal => Action::Withdrawal(money),
            Shape::Request { expires_in_seconds } => {
                Action::WithdrawalRequest { money, expires_in_seconds: *expires_in_seconds }
            }
            Shape::Capture { of, is_final } => {
                Action::Capture { request: self.target(of, earlier), money, is_final: *is_final }
            }
            Shape::Release { of } => Action::Release { request: self.target(of, earlier) },
        };
        let last = earlier.last().map_or(START, |command| command.recorded_at);
        let fingerprint = Sha256::digest(format!("{action:?}")).into();
        Command {
            position: at(earlier.len() as u64),
            recorded_at: Timestamp::from_epoch_ms(last.epoch_ms() + self.seconds * 1_000),
            account: self.account.parse().unwrap(),
            reference: (self.amount % 3 == 0).then(|| "invoice 7".parse().unwrap()),
            idempotency: self.key.map(|key| Idempotency { key: key.parse().unwrap(), fingerprint }),
            action,
        }
    }

    fn target(&self, target: &Target, earlier: &[Command]) -> crate::Position {
        let of_this_account = |command: &&Command| {
            command.account.as_str() == self.account && command.action.kind() == Kind::WithdrawalRequest
        };
        let requests: Vec<_> = earlier.iter().filter(of_this_account).map(|command| command.position).collect();
        if target.is_astray || requests.is_empty() {
            at(target.index.index(earlier.len() + 1) as u64)
        } else {
            *target.index.get(&requests)
        }
    }
}

/// The entry with one field changed, for every field.
pub(super) fn changed_in_each_field(entry: &Entry) -> Vec<(&'static str, Entry)> {
    let later = |time: Timestamp| Timestamp::from_epoch_ms(time.epoch_ms() + 1);
    let changed = |field, change: &dyn Fn(&mut Entry)| {
        let mut changed = entry.clone();
        change(&mut changed);
        assert_ne!(&changed, entry, "{field} was to change");
        (field, changed)
    };
    let other_money = |currency: &str, amount: i64| {
        Some(Money { amount: Amount::from_books(amount).unwrap(), currency: currency.parse().unwrap() })
    };
    let amount = entry.money.map_or(1, |money| money.amount.minor_units());
    let currency = entry.money.map_or("EUR", |money| money.currency.code());
    vec![
        changed("position", &|entry| entry.position = at(entry.position.offset() + 1)),
        changed("sequence", &|entry| entry.sequence += 1),
        changed("kind", &|entry| {
            entry.kind = if entry.kind == Kind::Deposit { Kind::Withdrawal } else { Kind::Deposit };
        }),
        changed("status", &|entry| {
            entry.status = match entry.status {
                EntryStatus::Posted => EntryStatus::Refused(Refusal::TooManyHolds),
                EntryStatus::Refused(_) | EntryStatus::Replayed { .. } => EntryStatus::Posted,
            };
        }),
        changed("reason", &|entry| entry.status = other_reason(entry.status)),
        changed("amount", &|entry| entry.money = other_money(currency, amount % 1_000 + 1_001)),
        changed("currency", &|entry| entry.money = other_money("CHF", amount)),
        changed("request", &|entry| entry.request = Some(at(entry.request.map_or(0, |at| at.offset() + 1)))),
        changed("remaining", &|entry| entry.remaining = Some(entry.remaining.map_or(0, |left| left ^ 1))),
        changed("expires_at", &|entry| entry.expires_at = Some(entry.expires_at.map_or(START, later))),
        changed("reference", &|entry| entry.reference = Some("invoice 8".parse().unwrap())),
        changed("balance", &|entry| entry.balance ^= 1),
        changed("held", &|entry| entry.held ^= 1),
        changed("available", &|entry| entry.available ^= 1),
        changed("recorded_at", &|entry| entry.recorded_at = later(entry.recorded_at)),
        changed("settled_at", &|entry| entry.settled_at = later(entry.settled_at)),
    ]
}

/// The same status, with another reason or another original.
fn other_reason(status: EntryStatus) -> EntryStatus {
    match status {
        EntryStatus::Posted | EntryStatus::Refused(Refusal::AccountClosed) => {
            EntryStatus::Refused(Refusal::HoldNotFound)
        }
        EntryStatus::Refused(Refusal::InsufficientFunds { available }) => {
            EntryStatus::Refused(Refusal::InsufficientFunds { available: available ^ 1 })
        }
        EntryStatus::Refused(_) => EntryStatus::Refused(Refusal::AccountClosed),
        EntryStatus::Replayed { original } => EntryStatus::Replayed { original: at(original.offset() + 1) },
    }
}
