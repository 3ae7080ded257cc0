//! What a refusal says to a person. A transaction is named by its id and a moment by its RFC 3339 text, as a client knows
//! them. The words may change; what a program acts on is [`Refusal::reason`].

use ledger::{AccountId, MAX_OPEN_HOLDS, Position, Refusal, TransactionId};

use super::rfc3339;

/// The sentence for a refusal of `account`'s.
pub(super) fn detail(refusal: Refusal, account: &AccountId) -> String {
    let id = |position: Position| TransactionId { account: account.clone(), position };
    match refusal {
        Refusal::AccountNotFound => "there is no such account; a first deposit opens one".to_owned(),
        Refusal::AccountFrozen => "the account is frozen".to_owned(),
        Refusal::AccountClosed => "the account is closed".to_owned(),
        Refusal::CurrencyMismatch { account } => format!("the account is kept in {account}"),
        Refusal::InsufficientFunds { available } => format!("{available} is available"),
        Refusal::BalanceLimit => "the balance of the account would exceed what the ledger can hold".to_owned(),
        Refusal::TooManyHolds => format!("the account has {MAX_OPEN_HOLDS} open holds, the most it can have"),
        Refusal::HoldNotFound => "the account has never had a hold by that id".to_owned(),
        Refusal::HoldCaptured { by } => format!("the hold was captured by {}", id(by)),
        Refusal::HoldReleased { by } => format!("the hold was released by {}", id(by)),
        Refusal::HoldExpired { at } => format!("the hold expired at {}", rfc3339(at)),
        Refusal::ExceedsHold { remaining } => format!("{remaining} remains of the hold"),
        Refusal::IdempotencyKeyReused { original } => {
            format!("the idempotency key stands for another command, {}", id(original))
        }
    }
}

#[cfg(test)]
mod tests {
    use ledger::Timestamp;

    use super::*;

    #[test]
    fn transactions_are_named_by_their_ids_and_moments_in_rfc_3339() {
        let alice: AccountId = "alice".parse().unwrap();
        let position = Position::new(1, 0, 7).unwrap();
        let at = Timestamp::from_epoch_ms(1_700_000_000_123);
        for (refusal, said) in [
            (Refusal::HoldCaptured { by: position }, "the hold was captured by alice.000g000000000007"),
            (Refusal::HoldReleased { by: position }, "the hold was released by alice.000g000000000007"),
            (Refusal::HoldExpired { at }, "the hold expired at 2023-11-14T22:13:20.123Z"),
            (
                Refusal::IdempotencyKeyReused { original: position },
                "the idempotency key stands for another command, alice.000g000000000007",
            ),
            (Refusal::InsufficientFunds { available: 2300 }, "2300 is available"),
        ] {
            assert_eq!(detail(refusal, &alice), said);
        }
    }
}
