use std::fmt::Display;
use std::process::ExitCode;

use ledger_store::{GenerationError, StoreError};

/// The arguments or the environment make no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(String);

impl Usage {
    pub(crate) fn new(problem: impl Display) -> Self {
        Self(problem.to_string())
    }
}

/// Says what went wrong, if anything did.
pub(crate) fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("passbook: {}", told(&error));
            if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// The error and what is behind it. Those of the store say it all themselves; what is behind them says it twice.
fn told(error: &anyhow::Error) -> String {
    let mut parts = Vec::new();
    for cause in error.chain() {
        parts.push(cause.to_string());
        if cause.is::<StoreError>() || cause.is::<GenerationError>() {
            break;
        }
    }
    parts.join(": ")
}
