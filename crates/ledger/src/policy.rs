use std::time::Duration;

/// What an operator decides. The books follow from the log and from this.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Whether a deposit to an unknown account opens it; otherwise it is refused.
    pub first_deposit_opens_account: bool,
    /// How long an idempotency key is remembered, from its first command's own time on.
    pub key_lifetime: Duration,
}

impl Default for Policy {
    /// A first deposit opens an account, and keys are remembered for 30 days.
    fn default() -> Self {
        Self { first_deposit_opens_account: true, key_lifetime: Duration::from_secs(30 * 24 * 60 * 60) }
    }
}
