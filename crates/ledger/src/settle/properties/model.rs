//! The rules once more, as plainly as they can be said: the whole history is kept, and every question about an account
//! is answered by going through it from the start, in 128 bits.

use crate::{Account, AccountId, Action, Command, Currency, Line, Policy, Position, Refusal, Status, Timestamp};

use super::history::START;

pub(super) struct Model {
    given: Vec<Account>,
    clock: Timestamp,
    past: Vec<Decided>,
}

struct Decided {
    command: Command,
    time: Timestamp,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Posted,
    Refused(Refusal),
    Replayed(Position),
}

impl From<&Line> for Verdict {
    fn from(line: &Line) -> Self {
        match line {
            Line::Refused { refusal, .. } => Self::Refused(*refusal),
            Line::Replayed { original, .. } => Self::Replayed(*original),
            _ => Self::Posted,
        }
    }
}

/// Verdict, balance, held, available.
type Settled = (Verdict, i128, i128, i128);

/// How far a hold has come.
enum Standing {
    Never,
    Open { remaining: i128 },
    Ended(Refusal),
}

impl Model {
    pub(super) fn new(given: impl IntoIterator<Item = Account>) -> Self {
        Self { given: given.into_iter().collect(), clock: START, past: Vec::new() }
    }

    pub(super) fn settle(&mut self, command: &Command) -> Settled {
        self.clock = self.clock.max(command.recorded_at);
        let verdict = self.decide(command);
        self.past.push(Decided { command: command.clone(), time: self.clock, verdict });
        let account = &command.account;
        if self.currency(account).is_none() {
            return (verdict, 0, 0, 0);
        }
        (verdict, self.balance(account), self.held(account), self.available(account))
    }

    fn decide(&self, command: &Command) -> Verdict {
        if let Some(first) = self.first_with_the_key_of(command) {
            let original = first.command.position;
            return if first.command.idempotency == command.idempotency {
                Verdict::Replayed(original)
            } else {
                Verdict::Refused(Refusal::IdempotencyKeyReused { original })
            };
        }
        match self.refusal(command) {
            Some(refusal) => Verdict::Refused(refusal),
            None => Verdict::Posted,
        }
    }

    fn refusal(&self, command: &Command) -> Option<Refusal> {
        let account = &command.account;
        let opens = matches!(command.action, Action::Deposit(_));
        let currency = match self.currency(account) {
            None if opens => command.action.money()?.currency,
            None => return Some(Refusal::AccountNotFound),
            Some(currency) => currency,
        };
        if self.given(account).is_some_and(|account| account.status == Status::Frozen) {
            return Some(Refusal::AccountFrozen);
        }
        if command.action.money().is_some_and(|money| money.currency != currency) {
            return Some(Refusal::CurrencyMismatch { account: currency });
        }
        let amount = command.action.money().map_or(0, |money| i128::from(money.amount.minor_units()));
        let available = self.available(account);
        match command.action {
            Action::Deposit(_) => {
                let lifted = self.balance(account) + amount + self.overdraft_limit(account);
                (lifted > i64::MAX.into()).then_some(Refusal::BalanceLimit)
            }
            Action::Withdrawal(_) | Action::WithdrawalRequest { .. } => (amount > available)
                .then(|| Refusal::InsufficientFunds { available: i64::try_from(available).unwrap() }),
            Action::Capture { request, .. } | Action::Release { request } => match self.standing(account, request) {
                Standing::Never => Some(Refusal::HoldNotFound),
                Standing::Ended(refusal) => Some(refusal),
                Standing::Open { remaining } => {
                    (amount > remaining).then(|| Refusal::ExceedsHold { remaining: i64::try_from(remaining).unwrap() })
                }
            },
        }
    }

    /// The command that the key stands for: each that finds the key's time over takes it anew.
    fn first_with_the_key_of(&self, command: &Command) -> Option<&Decided> {
        let key = &command.idempotency.as_ref()?.key;
        let mut first: Option<&Decided> = None;
        for past in self.past.iter().filter(|past| past.command.account == command.account) {
            let has_it = past.command.idempotency.as_ref().is_some_and(|idempotency| idempotency.key == *key);
            if has_it && first.is_none_or(|first| is_forgotten(first, past.time)) {
                first = Some(past);
            }
        }
        first.filter(|first| !is_forgotten(first, self.clock))
    }

    fn given(&self, account: &AccountId) -> Option<&Account> {
        self.given.iter().find(|given| given.id == *account)
    }

    /// That of the account as given, or of the deposit that opened it; nothing where there is no account.
    fn currency(&self, account: &AccountId) -> Option<Currency> {
        let opened = |past: &Decided| match (&past.command.action, past.verdict) {
            _ if past.command.account != *account => None,
            (Action::Deposit(money), Verdict::Posted) => Some(money.currency),
            _ => None,
        };
        self.given(account).map(|account| account.currency).or_else(|| self.past.iter().find_map(opened))
    }

    fn overdraft_limit(&self, account: &AccountId) -> i128 {
        self.given(account).map_or(0, |account| account.overdraft_limit.into())
    }

    fn posted<'a>(&'a self, account: &'a AccountId) -> impl Iterator<Item = &'a Decided> {
        let posted = |past: &&Decided| past.verdict == Verdict::Posted;
        self.past.iter().filter(posted).filter(move |past| past.command.account == *account)
    }

    fn balance(&self, account: &AccountId) -> i128 {
        let change = |past: &Decided| match past.command.action {
            Action::Deposit(money) => i128::from(money.amount.minor_units()),
            Action::Withdrawal(money) | Action::Capture { money, .. } => -i128::from(money.amount.minor_units()),
            Action::WithdrawalRequest { .. } | Action::Release { .. } => 0,
        };
        self.posted(account).map(change).sum()
    }

    fn held(&self, account: &AccountId) -> i128 {
        let remaining = |past: &Decided| match self.standing(account, past.command.position) {
            Standing::Open { remaining } => remaining,
            Standing::Never | Standing::Ended(_) => 0,
        };
        self.posted(account).map(remaining).sum()
    }

    fn available(&self, account: &AccountId) -> i128 {
        self.balance(account) + self.overdraft_limit(account) - self.held(account)
    }

    fn standing(&self, account: &AccountId, request: Position) -> Standing {
        let Some(placed) = self.posted(account).find(|past| past.command.position == request) else {
            return Standing::Never;
        };
        let Action::WithdrawalRequest { money, expires_in_seconds } = placed.command.action else {
            return Standing::Never;
        };
        let mut remaining = i128::from(money.amount.minor_units());
        for past in self.posted(account).filter(|past| past.command.action.request() == Some(request)) {
            let by = past.command.position;
            match past.command.action {
                Action::Capture { money, is_final, .. } => {
                    remaining -= i128::from(money.amount.minor_units());
                    if is_final || remaining == 0 {
                        return Standing::Ended(Refusal::HoldCaptured { by });
                    }
                }
                _ => return Standing::Ended(Refusal::HoldReleased { by }),
            }
        }
        let at = placed.time.plus_seconds(expires_in_seconds);
        if self.clock >= at { Standing::Ended(Refusal::HoldExpired { at }) } else { Standing::Open { remaining } }
    }
}

fn is_forgotten(first: &Decided, now: Timestamp) -> bool {
    now >= first.time.plus(Policy::default().key_lifetime)
}
