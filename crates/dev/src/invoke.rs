//! `cargo dev invoke FUNCTION EVENT.json`: one invocation on the running stack, through the Invoke API.

use crate::cli::DataArgs;
use crate::part::{cargo_lambda, lambda_local};
use crate::stack;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

#[derive(Debug, Args)]
pub(crate) struct InvokeArgs {
    /// api or settler
    function: String,
    /// A file with the event, as the function gets it
    event: PathBuf,
    #[command(flatten)]
    stack: DataArgs,
}

/// Exits as `lambda-local invoke` does: 1 on a function error.
pub(crate) fn run(workspace: &Workspace, args: &InvokeArgs) -> Result<ExitCode> {
    let dir = workspace.stack_dir(args.stack.data.as_deref())?;
    let file = stack::running(&dir)?;
    let part = file.part(lambda_local::NAME).or_else(|| file.part(cargo_lambda::NAME));
    let part = part.context("this stack runs no functions yet; see `cargo dev status`")?;
    let mut invoke = Command::new(workspace.binary("lambda-local"));
    invoke.args(["invoke", &args.function]).arg(&args.event).args(["--endpoint", &part.address]);
    let status = invoke.status().context("cannot run lambda-local")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}
