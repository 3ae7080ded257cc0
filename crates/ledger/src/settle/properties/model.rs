//! The rules once more, as plainly as they can be said: the whole history is kept, and every question about an account
//! is answered by going through it from the start, in 128 bits.

use crate::{Account, AccountId, Action, Command, Currency, EntryStatus, Position, Refusal, Status, Timestamp};

use super::history::START;

pub(super) struct Model {
    given: Vec<Account>,
    clock: Timestamp,
    lines: Vec<Line>,
}

struct Line {
    command: Command,
    time: Timestamp,
    status: EntryStatus,
}

/// Status, balance, held, available.
type Settled = (EntryStatus, i128, i128, i128);

/// How far a hold has come.
enum Standing {
    Never,
    Open { remaining: i128 },
    Ended(Refusal),
}

impl Model {
    pub(super) fn new(given: impl IntoIterator<Item = Account>) -> Self {
        Self { given: given.into_iter().collect(), clock: START, lines: Vec::new() }
    }

    pub(super) fn settle(&mut self, command: &Command) -> Settled {
        self.clock = self.clock.max(command.recorded_at);
        let status = self.decide(command);
        self.lines.push(Line { command: command.clone(), time: self.clock, status });
        let account = &command.account;
        if self.currency(account).is_none() {
            return (status, 0, 0, 0);
        }
        (status, self.balance(account), self.held(account), self.available(account))
    }

    fn decide(&self, command: &Command) -> EntryStatus {
        if let Some(first) = self.first_with_the_key_of(command) {
            let original = first.command.position;
            return if first.command.idempotency == command.idempotency {
                EntryStatus::Replayed { original }
            } else {
                EntryStatus::Refused(Refusal::IdempotencyKeyReused { original })
            };
        }
        match self.refusal(command) {
            Some(refusal) => EntryStatus::Refused(refusal),
            None => EntryStatus::Posted,
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
        let everybodys = self.everybodys(currency);
        match command.action {
            Action::Deposit(_) => {
                let lifted = self.balance(account) + amount + self.overdraft_limit(account);
                (lifted > i64::MAX.into() || everybodys + amount > 1 << 63).then_some(Refusal::BalanceLimit)
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

    fn first_with_the_key_of(&self, command: &Command) -> Option<&Line> {
        let key = &command.idempotency.as_ref()?.key;
        self.lines.iter().find(|line| {
            line.command.account == command.account
                && line.command.idempotency.as_ref().is_some_and(|idempotency| idempotency.key == *key)
        })
    }

    fn given(&self, account: &AccountId) -> Option<&Account> {
        self.given.iter().find(|given| given.id == *account)
    }

    /// That of the account as given, or of the deposit that opened it; nothing where there is no account.
    fn currency(&self, account: &AccountId) -> Option<Currency> {
        let opened = |line: &Line| match (&line.command.action, line.status) {
            _ if line.command.account != *account => None,
            (Action::Deposit(money), EntryStatus::Posted) => Some(money.currency),
            _ => None,
        };
        self.given(account).map(|account| account.currency).or_else(|| self.lines.iter().find_map(opened))
    }

    fn overdraft_limit(&self, account: &AccountId) -> i128 {
        self.given(account).map_or(0, |account| account.overdraft_limit.into())
    }

    fn posted<'a>(&'a self, account: &'a AccountId) -> impl Iterator<Item = &'a Line> {
        let posted = |line: &&Line| line.status == EntryStatus::Posted;
        self.lines.iter().filter(posted).filter(move |line| line.command.account == *account)
    }

    fn balance(&self, account: &AccountId) -> i128 {
        let change = |line: &Line| match line.command.action {
            Action::Deposit(money) => i128::from(money.amount.minor_units()),
            Action::Withdrawal(money) | Action::Capture { money, .. } => -i128::from(money.amount.minor_units()),
            Action::WithdrawalRequest { .. } | Action::Release { .. } => 0,
        };
        self.posted(account).map(change).sum()
    }

    /// What all accounts in one currency have together: what their contra account owes.
    fn everybodys(&self, currency: Currency) -> i128 {
        let mut accounts: Vec<_> = self.lines.iter().map(|line| line.command.account.clone()).collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts.retain(|account| self.currency(account) == Some(currency));
        accounts.iter().map(|account| self.balance(account)).sum()
    }

    fn held(&self, account: &AccountId) -> i128 {
        let remaining = |line: &Line| match self.standing(account, line.command.position) {
            Standing::Open { remaining } => remaining,
            Standing::Never | Standing::Ended(_) => 0,
        };
        self.posted(account).map(remaining).sum()
    }

    fn available(&self, account: &AccountId) -> i128 {
        self.balance(account) + self.overdraft_limit(account) - self.held(account)
    }

    fn standing(&self, account: &AccountId, request: Position) -> Standing {
        let Some(placed) = self.posted(account).find(|line| line.command.position == request) else {
            return Standing::Never;
        };
        let Action::WithdrawalRequest { money, expires_in_seconds } = placed.command.action else {
            return Standing::Never;
        };
        let mut remaining = i128::from(money.amount.minor_units());
        for line in self.posted(account).filter(|line| line.command.action.request() == Some(request)) {
            let by = line.command.position;
            match line.command.action {
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
