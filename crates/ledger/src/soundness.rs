//! What holds of every account between two batches, whoever wrote it last. A store checks it after each read and before
//! each write: an account that breaks it is never settled on.

use crate::account::Account;
use crate::page::PAGE_CAPACITY;
use crate::position::Position;

/// What is wrong with an account, in the words of its stored fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    #[error("`held` is {held}, while the open holds come to {holds}")]
    Held { held: i64, holds: i128 },
    #[error("the hold {request} keeps {remaining}; an open hold keeps at least 1")]
    HoldKeepsNothing { request: Position, remaining: i64 },
    #[error("the hold {request} does not stand in the order of the log, or stands twice")]
    HoldOutOfOrder { request: Position },
    #[error("`overdraft_limit` is {limit}; it is at least 0")]
    OverdraftLimit { limit: i64 },
    #[error("{available} is available; it is at least 0 and fits 64 bits")]
    Available { available: i128 },
    #[error("the open page has {entries} entries, which does not fit `sequence` {sequence}")]
    OpenPage { entries: u64, sequence: u64 },
}

impl Account {
    /// # Errors
    /// The first rule that the account breaks.
    pub fn check(&self) -> Result<(), Unsound> {
        if let Some(hold) = self.holds.iter().find(|hold| hold.remaining <= 0) {
            return Err(Unsound::HoldKeepsNothing { request: hold.request, remaining: hold.remaining });
        }
        if let Some(pair) = self.holds.windows(2).find(|pair| pair[0].request >= pair[1].request) {
            return Err(Unsound::HoldOutOfOrder { request: pair[1].request });
        }
        let holds = self.holds.iter().map(|hold| i128::from(hold.remaining)).sum();
        if i128::from(self.held) != holds {
            return Err(Unsound::Held { held: self.held, holds });
        }
        if self.overdraft_limit < 0 {
            return Err(Unsound::OverdraftLimit { limit: self.overdraft_limit });
        }
        let available = i128::from(self.balance) + i128::from(self.overdraft_limit) - i128::from(self.held);
        // What is available before anything is held has to fit, too: `available()` adds before it subtracts.
        let fits = available >= 0 && available + i128::from(self.held) <= i128::from(i64::MAX);
        if fits { Ok(()) } else { Err(Unsound::Available { available }) }
    }
}

/// Whether an open page of so many entries, of which the last is `sequence`, can be: it begins where a page begins, and has
/// an entry as soon as the account has one.
///
/// # Errors
/// When it cannot.
pub const fn check_open_page(entries: u64, sequence: u64) -> Result<(), Unsound> {
    let begins_a_page = entries <= sequence && (sequence - entries).is_multiple_of(PAGE_CAPACITY);
    let is_one_page = entries <= PAGE_CAPACITY && (entries > 0) == (sequence > 0);
    if begins_a_page && is_one_page { Ok(()) } else { Err(Unsound::OpenPage { entries, sequence }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hold::Hold;
    use crate::timestamp::Timestamp;

    fn hold(offset: u64, remaining: i64) -> Hold {
        let request = Position::new(1, 0, offset).unwrap();
        Hold { request, remaining, expires_at: Timestamp::from_epoch_ms(0) }
    }

    #[test]
    fn an_account_is_sound_or_names_what_is_not() {
        let check = |held, limit, balance, holds: &[Hold]| {
            let account = Account::open("alice".parse().unwrap(), "EUR".parse().unwrap());
            let account = Account { balance, held, overdraft_limit: limit, holds: holds.to_vec(), ..account };
            account.check().map_err(|unsound| unsound.to_string())
        };
        let said = |text: &str| Err(text.to_owned());
        let max = i64::MAX;
        assert_eq!(check(0, 0, 0, &[]), Ok(()));
        assert_eq!(check(5, 0, 5, &[hold(1, 2), hold(2, 3)]), Ok(()));
        assert_eq!(check(0, 7, -7, &[]), Ok(()));
        assert_eq!(check(max, 0, max, &[hold(1, max)]), Ok(()));
        assert_eq!(check(4, 0, 5, &[hold(1, 2), hold(2, 3)]), said("`held` is 4, while the open holds come to 5"));
        assert!(check(0, 0, 0, &[hold(1, 0)]).unwrap_err().ends_with("keeps 0; an open hold keeps at least 1"));
        assert!(check(2, 0, 2, &[hold(1, 1), hold(1, 1)]).unwrap_err().ends_with("or stands twice"));
        assert!(check(2, 0, 2, &[hold(2, 1), hold(1, 1)]).unwrap_err().ends_with("or stands twice"));
        assert_eq!(check(0, -1, 5, &[]), said("`overdraft_limit` is -1; it is at least 0"));
        assert!(check(3, 0, 2, &[hold(1, 3)]).unwrap_err().starts_with("-1 is available"));
        assert!(check(0, 1, max, &[]).unwrap_err().starts_with("9223372036854775808 is available"));
        assert!(check(1, 1, max, &[hold(1, 1)]).unwrap_err().starts_with("9223372036854775807 is available"));
    }

    #[test]
    fn an_open_page_begins_where_a_page_begins() {
        for (entries, sequence) in [(0, 0), (1, 1), (16, 16), (1, 17), (16, 32), (3, 19)] {
            assert_eq!(check_open_page(entries, sequence), Ok(()), "{entries} of {sequence}");
        }
        for (entries, sequence) in [(0, 1), (1, 0), (17, 17), (0, 16), (0, 17), (2, 17), (15, 16), (33, 49)] {
            assert!(check_open_page(entries, sequence).is_err(), "{entries} of {sequence}");
        }
    }
}
