use std::fmt;
use std::str::FromStr;

/// A positive number of minor units (cents, where a currency has them).
///
/// What a command may name ends at [`Amount::MAX_MINOR_UNITS`]; what stands in the books may be larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an amount is a whole number of minor units, at least 1 and at most {}", Amount::MAX_MINOR_UNITS)]
pub struct InvalidAmount;

impl Amount {
    /// The largest amount of one command: 2^53 - 1, the largest integer that every reader of JSON keeps exactly (RFC 8259,
    /// section 6). It also keeps one deposit from using up its contra account, which has room for 1,024 of the largest.
    pub const MAX_MINOR_UNITS: i64 = (1 << 53) - 1;

    /// The amount of a command.
    ///
    /// # Errors
    /// When it is not from 1 to [`Amount::MAX_MINOR_UNITS`].
    pub fn new(minor_units: i64) -> Result<Self, InvalidAmount> {
        if minor_units <= Self::MAX_MINOR_UNITS { Self::from_books(minor_units) } else { Err(InvalidAmount) }
    }

    /// An amount that stands in the books already: also one from before there was a largest.
    ///
    /// # Errors
    /// When it is not positive.
    pub const fn from_books(minor_units: i64) -> Result<Self, InvalidAmount> {
        if minor_units > 0 { Ok(Self(minor_units)) } else { Err(InvalidAmount) }
    }

    pub const fn minor_units(self) -> i64 {
        self.0
    }
}

/// A currency of ISO 4217 in which money is paid. The codes for metals, for funds and units of account, for tests and for
/// "no currency" are none.
///
/// A currency that was withdrawn is one still: the books that are kept in it are read, and may be emptied. It takes no
/// deposits any more ([`Currency::check_current`]), and so opens no accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(iso_currency::Currency);

/// Why a text is no currency, or none for new money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCurrency {
    #[error("a currency is a code of ISO 4217 in capitals, such as EUR")]
    Unknown,
    #[error("{0} is no currency that money is paid in: ISO 4217 has it for metals, funds, units of account or tests")]
    NotMoney(&'static str),
    #[error("{code} is withdrawn and takes no deposits; {successor} has taken its place")]
    Withdrawn { code: &'static str, successor: &'static str },
}

/// `iso_currency` takes the bolívar (VES) for superseded by VED. By amendment 170 of ISO 4217 (2021) both are current: VED
/// did not replace VES, which remains in use.
const CURRENT_ALL_THE_SAME: [iso_currency::Currency; 1] = [iso_currency::Currency::VES];

impl Currency {
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Whether new money may be kept in it. This changes with the years, as ISO 4217 does, so no rule of the books may
    /// depend on it: it is for the door.
    ///
    /// # Errors
    /// When the currency is withdrawn; says which has taken its place.
    pub fn check_current(self) -> Result<(), InvalidCurrency> {
        match self.0.is_superseded() {
            Some(successor) if !CURRENT_ALL_THE_SAME.contains(&self.0) => {
                Err(InvalidCurrency::Withdrawn { code: self.code(), successor: successor.code() })
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        match iso_currency::Currency::from_code(code) {
            None => Err(InvalidCurrency::Unknown),
            Some(other) if other.is_special() || other.is_fund() => Err(InvalidCurrency::NotMoney(other.code())),
            Some(money) => Ok(Self(money)),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    pub amount: Amount,
    pub currency: Currency,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_positive_and_every_json_reader_keeps_them() {
        for good in [1, 9_007_199_254_740_991] {
            assert_eq!(Amount::new(good).unwrap().minor_units(), good);
        }
        for bad in [0, -1, i64::MIN, 9_007_199_254_740_992, i64::MAX] {
            assert_eq!(Amount::new(bad), Err(InvalidAmount), "{bad}");
        }
        assert!(InvalidAmount.to_string().ends_with("at least 1 and at most 9007199254740991"), "{InvalidAmount}");
    }

    #[test]
    fn amounts_in_the_books_may_be_from_before_there_was_a_largest() {
        for good in [1, 9_007_199_254_740_992, i64::MAX] {
            assert_eq!(Amount::from_books(good).unwrap().minor_units(), good);
        }
        for bad in [0, -1, i64::MIN] {
            assert_eq!(Amount::from_books(bad), Err(InvalidAmount), "{bad}");
        }
    }

    #[test]
    fn currencies_are_codes_of_iso_4217() {
        for code in ["EUR", "USD", "JPY", "KWD"] {
            assert_eq!(code.parse::<Currency>().unwrap().code(), code);
        }
        for bad in ["", "eur", "EURO", "QQQ", "€"] {
            assert_eq!(bad.parse::<Currency>(), Err(InvalidCurrency::Unknown), "{bad:?}");
        }
    }

    #[test]
    fn codes_in_which_no_money_is_paid_are_no_currencies() {
        for code in ["XXX", "XTS", "XAU", "XAG", "XPT", "XPD", "XDR", "XSU", "XUA", "XBA", "CHE", "CLF", "BOV", "USN"] {
            assert_eq!(code.parse::<Currency>(), Err(InvalidCurrency::NotMoney(code)));
        }
        for code in ["XAF", "XOF", "XPF", "XCD", "XCG"] {
            assert_eq!(code.parse::<Currency>().unwrap().code(), code, "several countries pay in it");
        }
    }

    #[test]
    fn a_withdrawn_currency_says_what_has_taken_its_place() {
        let check = |code: &'static str| code.parse::<Currency>().unwrap().check_current();
        for (code, successor) in [("HRK", "EUR"), ("BGN", "EUR"), ("ZWL", "ZWG"), ("SLL", "SLE"), ("CUC", "CUP")] {
            assert_eq!(check(code), Err(InvalidCurrency::Withdrawn { code, successor }));
        }
        for code in ["EUR", "ZWG", "SLE", "CUP", "VES", "VED"] {
            assert_eq!(check(code), Ok(()), "{code}");
        }
    }
}
