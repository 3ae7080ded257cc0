//! Generated histories: few accounts, few keys and small amounts, so that commands meet; now and then huge amounts, larger
//! than a command can name today, so that sums come to their ends.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use sha2::{Digest as _, Sha256};

use super::at;
use crate::{
    Account, Action, Amount, Command, Entry, ExpiredHold, Idempotency, Kind, Line, Money, Partition, Position, Refusal,
    Status, Timestamp,
};

pub(super) const PARTITION: Partition = 7;
pub(super) const START: Timestamp = Timestamp::from_epoch_ms(1_700_000_000_000);

const A_DAY: i64 = 24 * 60 * 60;

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
    let seconds = prop_oneof![6 => Just(0), 6 => 0..4i64, 1 => -20..0i64, 1 => 4..30i64,
        1 => 15 * A_DAY..31 * A_DAY];
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

    fn target(&self, target: &Target, earlier: &[Command]) -> Position {
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

/// The entry with one fact changed, for every fact that the chain vouches for.
pub(super) fn changed_in_each_fact(entry: &Entry) -> Vec<(&'static str, Entry)> {
    let changed = |fact, change: &dyn Fn(&mut Entry)| {
        let mut changed = entry.clone();
        change(&mut changed);
        assert_ne!(&changed, entry, "{fact} was to change");
        (fact, changed)
    };
    let expired = ExpiredHold { request: at(0), released: 1, expired_at: START };
    let mut all = vec![
        changed("position", &|entry| entry.position = next(entry.position)),
        changed("sequence", &|entry| entry.sequence += 1),
        changed("reference", &|entry| entry.reference = Some("invoice 8".parse().unwrap())),
        changed("expired", &|entry| entry.expired.push(expired)),
        changed("balance", &|entry| entry.after.balance ^= 1),
        changed("held", &|entry| entry.after.held ^= 1),
        changed("available", &|entry| entry.after.available ^= 1),
        changed("recorded_at", &|entry| entry.recorded_at = later(entry.recorded_at)),
    ];
    let lines = changed_lines(&entry.line).into_iter();
    all.extend(lines.map(|line| changed("line", &|entry| entry.line = line.clone())));
    all.extend((0..entry.expired.len()).flat_map(|place| {
        [
            changed("expired request", &|entry| entry.expired[place].request = next(entry.expired[place].request)),
            changed("expired amount", &|entry| entry.expired[place].released += 1),
            changed("expired time", &|entry| entry.expired[place].expired_at = later(entry.expired[place].expired_at)),
        ]
    }));
    all
}

fn later(time: Timestamp) -> Timestamp {
    Timestamp::from_epoch_ms(time.epoch_ms() + 1)
}

fn next(position: Position) -> Position {
    at(position.offset() + 1)
}

fn other_amount(money: Money) -> Money {
    Money { amount: Amount::from_books(money.amount.minor_units() % 1_000 + 1_001).unwrap(), ..money }
}

fn other_currency(money: Money) -> Money {
    Money { currency: "CHF".parse().unwrap(), ..money }
}

/// The line with one of its facts changed, for each; and lines of another sort with the same facts.
fn changed_lines(line: &Line) -> Vec<Line> {
    let asked = line.asked();
    let mut lines: Vec<Line> = match line.clone() {
        Line::Deposit { money } => vec![
            Line::Deposit { money: other_amount(money) },
            Line::Deposit { money: other_currency(money) },
            Line::Withdrawal { money },
        ],
        Line::Withdrawal { money } => vec![
            Line::Withdrawal { money: other_amount(money) },
            Line::Withdrawal { money: other_currency(money) },
            Line::Deposit { money },
        ],
        Line::Hold { money, expires_in_seconds, expires_at } => vec![
            Line::Hold { money: other_amount(money), expires_in_seconds, expires_at },
            Line::Hold { money: other_currency(money), expires_in_seconds, expires_at },
            Line::Hold { money, expires_in_seconds: expires_in_seconds + 1, expires_at },
            Line::Hold { money, expires_in_seconds, expires_at: later(expires_at) },
        ],
        Line::Capture { request, money, is_final, remaining, released } => vec![
            Line::Capture { request: next(request), money, is_final, remaining, released },
            Line::Capture { request, money: other_amount(money), is_final, remaining, released },
            Line::Capture { request, money: other_currency(money), is_final, remaining, released },
            Line::Capture { request, money, is_final: !is_final, remaining, released },
            Line::Capture { request, money, is_final, remaining: remaining ^ 1, released },
            Line::Capture { request, money, is_final, remaining, released: released ^ 1 },
        ],
        Line::Release { request, released } => vec![
            Line::Release { request: next(request), released },
            Line::Release { request, released: other_amount(released) },
            Line::Release { request, released: other_currency(released) },
        ],
        Line::Refused { asked, refusal } => {
            vec![
                Line::Refused { asked: other_action(&asked), refusal },
                Line::Refused { asked, refusal: other(refusal) },
            ]
        }
        Line::Replayed { asked, original } => vec![
            Line::Replayed { asked: other_action(&asked), original },
            Line::Replayed { asked, original: next(original) },
        ],
    };
    lines.push(match line {
        Line::Refused { .. } => Line::Replayed { asked, original: at(0) },
        _ => Line::Refused { asked, refusal: Refusal::TooManyHolds },
    });
    lines
}

fn other_action(action: &Action) -> Action {
    match action.clone() {
        Action::Deposit(money) => Action::Withdrawal(money),
        Action::Withdrawal(money) => Action::Deposit(money),
        Action::WithdrawalRequest { money, expires_in_seconds } => {
            Action::WithdrawalRequest { money, expires_in_seconds: expires_in_seconds + 1 }
        }
        Action::Capture { request, money, is_final } => Action::Capture { request, money, is_final: !is_final },
        Action::Release { request } => Action::Release { request: next(request) },
    }
}

fn other(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::InsufficientFunds { available } => Refusal::InsufficientFunds { available: available ^ 1 },
        Refusal::AccountClosed => Refusal::HoldNotFound,
        _ => Refusal::AccountClosed,
    }
}
