//! The words that the tables are written in.

use crate::{
    Account, AccountId, Action, Amount, Command, ContraAccount, ContraId, Hold, Idempotency, Line, MAX_OPEN_HOLDS,
    Money, NotRead, Outcome, Policy, Position, Status, Timestamp, Worksheet, settle,
};

pub(super) const PARTITION: u16 = 3;
pub(super) const SETTLED_AT: Timestamp = Timestamp::from_epoch_ms(1_800_000_000_000);
/// Second 0 of every case.
pub(super) const START: Timestamp = Timestamp::from_epoch_ms(1_700_000_000_000);

pub(super) const MAX: i64 = i64::MAX;
pub(super) const MAX_AMOUNT: i64 = Amount::MAX_MINOR_UNITS;

/// What is there before the first command.
pub(super) struct Given {
    account: Option<Account>,
    contra: i128,
    policy: Policy,
}

pub(super) fn nothing() -> Given {
    Given { account: None, contra: 0, policy: Policy::default() }
}

/// Alice's account in EUR with this balance, and the contra account as her deposits left it.
pub(super) fn open(balance: i64) -> Given {
    let mut account = Account::open(id("alice"), "EUR".parse().unwrap());
    account.balance = balance;
    Given { account: Some(account), contra: -i128::from(balance), ..nothing() }
}

pub(super) fn frozen(balance: i64) -> Given {
    open(balance).with(|account| account.status = Status::Frozen)
}

pub(super) fn closed() -> Given {
    open(0).with(|account| account.status = Status::Closed)
}

pub(super) fn overdraft(balance: i64, limit: i64) -> Given {
    open(balance).with(|account| account.overdraft_limit = limit)
}

/// As many holds of 1 as an account can have, from long before, that expire after ten seconds.
pub(super) fn full_of_holds(balance: i64) -> Given {
    open(balance).with(|account| {
        let hold = |offset| Hold { request: early(offset), remaining: 1, expires_at: START.plus_seconds(10) };
        account.holds = (0..MAX_OPEN_HOLDS as u64).map(hold).collect();
        account.held = MAX_OPEN_HOLDS as i64;
    })
}

impl Given {
    fn with(mut self, change: impl FnMut(&mut Account)) -> Self {
        self.account.iter_mut().for_each(change);
        self
    }

    pub(super) fn opening_no_accounts(self) -> Self {
        Self { policy: Policy { first_deposit_opens_account: false, ..Policy::default() }, ..self }
    }

    pub(super) fn worksheet(self) -> Worksheet {
        let mut worksheet = Worksheet::new(self.policy, PARTITION, START, SETTLED_AT);
        self.account.into_iter().for_each(|account| worksheet.add_account(account, None));
        let [euros, dollars] =
            ["EUR", "USD"].map(|code| ContraId { currency: code.parse().unwrap(), partition: PARTITION });
        worksheet.add_contra(ContraAccount { balance: self.contra, ..ContraAccount::open(euros) });
        worksheet.add_contra(ContraAccount::open(dollars));
        worksheet
    }
}

/// A command still without a place in the log: for alice at second 0, unless said otherwise.
#[derive(Clone)]
pub(super) struct Step {
    account: &'static str,
    second: i64,
    action: Action,
    key: Option<&'static str>,
}

fn step(action: Action) -> Step {
    Step { account: "alice", second: 0, action, key: None }
}

pub(super) fn deposit(amount: i64) -> Step {
    step(Action::Deposit(euros(amount)))
}

pub(super) fn withdraw(amount: i64) -> Step {
    step(Action::Withdrawal(euros(amount)))
}

/// A withdrawal request that expires after ten seconds.
pub(super) fn hold(amount: i64) -> Step {
    hold_for(10, amount)
}

pub(super) fn hold_for(expires_in_seconds: u32, amount: i64) -> Step {
    step(Action::WithdrawalRequest { money: euros(amount), expires_in_seconds })
}

pub(super) fn capture(request: u64, amount: i64) -> Step {
    step(Action::Capture { request: at(request), money: euros(amount), is_final: true })
}

pub(super) fn capture_and_keep(request: u64, amount: i64) -> Step {
    step(Action::Capture { request: at(request), money: euros(amount), is_final: false })
}

pub(super) fn release(request: u64) -> Step {
    step(Action::Release { request: at(request) })
}

impl Step {
    pub(super) fn by(self, account: &'static str) -> Self {
        Self { account, ..self }
    }

    pub(super) fn at(self, second: i64) -> Self {
        Self { second, ..self }
    }

    pub(super) fn key(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    pub(super) fn in_dollars(mut self) -> Self {
        let (Action::Deposit(money)
        | Action::Withdrawal(money)
        | Action::WithdrawalRequest { money, .. }
        | Action::Capture { money, .. }) = &mut self.action
        else {
            panic!("a release names no money")
        };
        money.currency = "USD".parse().unwrap();
        self
    }

    /// The fingerprint stands for the body, so steps that ask for the same share one.
    pub(super) fn command(self, offset: u64) -> Command {
        let amount = self.action.money().map_or(0, |money| money.amount.minor_units());
        let mut fingerprint = [0; 32];
        fingerprint[..8].copy_from_slice(&amount.to_be_bytes());
        Command {
            position: at(offset),
            recorded_at: Timestamp::from_epoch_ms(START.epoch_ms() + self.second * 1_000),
            account: id(self.account),
            action: self.action,
            reference: None,
            idempotency: self.key.map(|key| Idempotency { key: key.parse().unwrap(), fingerprint }),
        }
    }
}

pub(super) fn at(offset: u64) -> Position {
    Position::new(1, PARTITION, 100_000 + offset).unwrap()
}

fn early(offset: u64) -> Position {
    Position::new(1, PARTITION, offset).unwrap()
}

pub(super) fn id(text: &str) -> AccountId {
    text.parse().unwrap()
}

/// Also more than a command can name today: the rules hold for any amount.
pub(super) fn euros(amount: i64) -> Money {
    Money { amount: Amount::from_books(amount).unwrap(), currency: "EUR".parse().unwrap() }
}

/// Settles the steps; whatever nobody has said of what they ask for is not there.
pub(super) fn settle_steps(worksheet: &mut Worksheet, steps: &[Step]) -> Vec<Outcome> {
    let commands: Vec<_> = steps.iter().cloned().zip(0..).map(|(step, offset)| step.command(offset)).collect();
    commands.iter().for_each(|command| tell_what_is_not_there(worksheet, command));
    settle(worksheet, commands).unwrap()
}

fn tell_what_is_not_there(worksheet: &mut Worksheet, command: &Command) {
    let account = &command.account;
    worksheet.add_absent_account(account.clone());
    if let Some(Idempotency { key, .. }) = &command.idempotency
        && let Err(NotRead::Key(_)) = worksheet.known_key(account, key)
    {
        worksheet.add_key(account.clone(), key.clone(), None);
    }
    if let Some(request) = command.action.request()
        && let Err(NotRead::EndedHold { .. }) = worksheet.ended_hold(account, request)
    {
        worksheet.add_ended_hold(account.clone(), request, None);
    }
}

pub(super) fn check(given: Given, steps: &[Step], expected: &str) {
    let outcomes = settle_steps(&mut given.worksheet(), steps);
    let said: Vec<_> = outcomes.iter().map(describe).collect();
    assert_eq!(said.last().map(String::as_str), Some(expected), "all outcomes: {said:#?}");
}

fn describe(outcome: &Outcome) -> String {
    let entry = &outcome.entry;
    let fact = match &entry.line {
        Line::Replayed { original, .. } => format!(" {}", name(*original)),
        Line::Refused { refusal, .. } => match refusal.fact() {
            Some(fact) => format!(" {} {}", refusal.reason(), shorten(&fact)),
            None => format!(" {}", refusal.reason()),
        },
        _ => String::new(),
    };
    let after = entry.after;
    format!("{}{fact} {}/{}/{}", entry.line.standing().name(), after.balance, after.held, after.available)
}

/// Positions as `#N`, moments as seconds of the case.
fn shorten(fact: &str) -> String {
    if let Ok(position) = fact.parse::<Position>() {
        return name(position);
    }
    match fact.parse::<i64>() {
        Ok(ms) if ms >= START.epoch_ms() && ms < SETTLED_AT.epoch_ms() => {
            format!("{}s", (ms - START.epoch_ms()) / 1_000)
        }
        _ => fact.to_owned(),
    }
}

fn name(position: Position) -> String {
    format!("#{}", position.offset() - at(0).offset())
}
