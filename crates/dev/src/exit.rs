//! How a command ends: success, a failure it has already shown, a failure still to be told, or a person's Ctrl-C.

use std::process::ExitCode;

/// Ended by a signal, after everything was stopped in order. Not a failure, and not a success either: 130, as shells say.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if error.is::<Interrupted>() {
        eprintln!("interrupted; everything is stopped");
        return ExitCode::from(130);
    }
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

pub(crate) fn when(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
