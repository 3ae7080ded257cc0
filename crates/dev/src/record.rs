//! `cargo dev record`: a real batch of the running stack's log, as the event that `settler` gets for it. lambda-local reads
//! it, since it makes those events; this program has no Kafka client.

use crate::cli::DataArgs;
use crate::part::lambda_local::Parameters;
use crate::stack;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Partition of the log
    #[arg(long)]
    partition: u16,
    /// Offset of the first record
    #[arg(long, value_name = "OFFSET")]
    from: u64,
    /// How many records; fewer where the log ends, or where an event of 6 MB is full
    #[arg(long)]
    count: u16,
    /// The file to write; standard output unless one is named
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    stack: DataArgs,
}

pub(crate) fn run(workspace: &Workspace, args: &RecordArgs) -> Result<ExitCode> {
    let stack = stack::running(&workspace.stack_dir(args.stack.data.as_deref())?)?;
    let mut record = Command::new(workspace.binary("lambda-local"));
    record
        .arg("record")
        .arg("--template")
        .arg(workspace.file("template.yaml"))
        .args(Parameters::on_stores_of(&stack).args());
    record.args(["--partition", &args.partition.to_string(), "--from", &args.from.to_string()]);
    record.args(["--count", &args.count.to_string()]).args(args.force.then_some("--force"));
    if let Some(output) = &args.output {
        record.arg("--output").arg(output);
    }
    // What of the template it does not support is no news here.
    let status = record.env("RUST_LOG", "warn").status().context("cannot run lambda-local")?;
    Ok(ExitCode::from(u8::from(!status.success())))
}
