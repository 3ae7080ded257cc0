use std::fmt;
use std::str::FromStr;

/// A positive number of minor units (cents, where a currency has them): 1 to `i64::MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an amount is a whole number of minor units, at least 1 and at most 9223372036854775807")]
pub struct InvalidAmount;

impl Amount {
    pub fn new(minor_units: i64) -> Result<Self, InvalidAmount> {
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
    fn amounts_are_positive() {
        assert_eq!(Amount::new(1).unwrap().minor_units(), 1);
        assert_eq!(Amount::new(i64::MAX).unwrap().minor_units(), i64::MAX);
        for bad in [0, -1, i64::MIN] {
            assert_eq!(Amount::new(bad), Err(InvalidAmount));
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
