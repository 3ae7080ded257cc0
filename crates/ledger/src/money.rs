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

/// A currency of ISO 4217.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(iso_currency::Currency);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a currency is a code of ISO 4217 in capitals, such as EUR")]
pub struct UnknownCurrency;

impl Currency {
    pub fn code(self) -> &'static str {
        self.0.code()
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        iso_currency::Currency::from_code(code).map(Self).ok_or(UnknownCurrency)
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
            assert_eq!(bad.parse::<Currency>(), Err(UnknownCurrency), "{bad:?}");
        }
    }
}
