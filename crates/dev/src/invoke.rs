//! `cargo dev invoke FUNCTION EVENT.json`: one invocation on the running stack, through the Invoke API.

use crate::cli::DataArgs;
use crate::emulator::Emulator;
use crate::part::{cargo_lambda, lambda_local};
use crate::stack::{self, StackFile};
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[derive(Debug, Args)]
pub(crate) struct InvokeArgs {
    /// api or settler
    function: String,
    /// A file with the event, as the function gets it
    event: PathBuf,
    /// A file with a client context, as mobile SDKs send one along
    #[arg(long, value_name = "FILE")]
    client_context: Option<PathBuf>,
    /// Start the function under AWS's Runtime Interface Emulator for this one invocation, on the stores of the stack
    #[arg(long)]
    rie: bool,
    #[command(flatten)]
    stack: DataArgs,
}

/// Exits as `lambda-local invoke` does: 1 on a function error.
pub(crate) fn run(workspace: &Workspace, args: &InvokeArgs) -> Result<ExitCode> {
    let dir = workspace.stack_dir(args.stack.data.as_deref())?;
    let stack = stack::running(&dir)?;
    let emulator = args.rie.then(|| Emulator::start(workspace, &dir, &stack, &args.function)).transpose()?;
    let endpoint = match &emulator {
        Some(emulator) => emulator.endpoint.as_str(),
        None => endpoint(&stack)?,
    };
    let mut invoke = command(workspace, endpoint, &args.function, &args.event, args.client_context.as_deref());
    let status = invoke.status().context("cannot run lambda-local")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// Where the functions of a running stack are invoked.
pub(crate) fn endpoint(stack: &StackFile) -> Result<&str> {
    let part = stack.part(lambda_local::NAME).or_else(|| stack.part(cargo_lambda::NAME));
    Ok(&part.context("this stack runs no functions yet; see `cargo dev status`")?.address)
}

/// `lambda-local invoke`, which prints the answer.
pub(crate) fn command(
    workspace: &Workspace,
    endpoint: &str,
    function: &str,
    event: &Path,
    client_context: Option<&Path>,
) -> Command {
    let mut invoke = Command::new(workspace.binary("lambda-local"));
    invoke.args(["invoke", function]).arg(event).args(["--endpoint", endpoint]);
    if let Some(context) = client_context {
        invoke.arg("--client-context").arg(context);
    }
    invoke
}
