//! The words of `cargo dev`, and what each of them calls.

use crate::up::UpArgs;
use crate::workspace::Workspace;
use crate::{
    bench, check, docs, down, env, invoke, load, logs, package, readme, record, replay, simulate, status, test, up,
};
use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

const FIRST_STEPS: &str = "\
First steps:
  cargo dev up                 everything on this machine, no Docker; ends with a curl to try (Ctrl-C stops it)
  cargo dev up --detach        the same in the background; `cargo dev down` stops it
  cargo dev status             what runs where
  cargo dev logs settler -f    what one part says
  cargo dev load               how much it takes
  cargo dev test               every test there is

All data, logs and settings of a stack lie in one directory, .local/stack unless --data names another; two stacks with
different --data and --port run side by side. Programs fetched once lie in .local/parts.";

/// The workshop of Passbook: the whole bank ledger on your machine, from NGINX to MongoDB.
#[derive(Debug, Parser)]
#[command(name = "cargo dev", bin_name = "cargo dev", version, after_help = FIRST_STEPS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring everything up and watch over it: MongoDB, Kafka, both functions, NGINX
    Up(UpArgs),
    /// Stop the stack: no new requests, settle what is in the log, then stop every part
    Down(DataArgs),
    /// Say what runs where
    Status(status::StatusArgs),
    /// Print where the stack is, for a shell: eval "$(cargo dev env)"
    Env(DataArgs),
    /// Print what a part says, for example settler
    Logs(logs::LogsArgs),
    /// Invoke a function with an event from a file and print its answer
    Invoke(invoke::InvokeArgs),
    /// Invoke with the sample events of events/, and compare each answer with the one written beside the event
    Replay(replay::ReplayArgs),
    /// Record a batch of the log as the event that `settler` gets for it, to be replayed with `invoke`
    Record(record::RecordArgs),
    /// Measure the running stack with ApacheBench
    Load(load::LoadArgs),
    /// Measure one part by itself
    Bench(bench::BenchArgs),
    /// Simulate settling under faults, a seed at a time; says the first seed that goes wrong
    Simulate(simulate::SimulateArgs),
    /// Make the packages that go to AWS, for arm64 and x86_64, with their sizes and checksums
    Package(package::PackageArgs),
    /// Check template.yaml, nginx/, compose.yaml and localstack/ with the programs they are written for
    Check(check::CheckArgs),
    /// Do what README.md and docs/ tell the reader to type, and compare what is printed
    Docs(docs::DocsArgs),
    /// Run every check and every test, on parts of their own
    Test(test::TestArgs),
    /// `test`, which is what CI runs, then `readme`
    Ci(test::TestArgs),
    /// Do what the README says in a fresh clone, which compiles everything anew
    Readme,
    /// Like `up`, with the functions compiled again at every edit (cargo lambda watch)
    Watch(UpArgs),
}

/// The stack a command speaks to.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataArgs {
    /// Directory of the stack [default: .local/stack]
    #[arg(long, value_name = "DIR", env = "PASSBOOK_DATA")]
    pub(crate) data: Option<PathBuf>,
}

impl Cli {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let workspace = Workspace::here()?;
        match self.command {
            None => Self::command().print_help().map(|()| ExitCode::SUCCESS).map_err(Into::into),
            Some(Command::Up(args)) => up::run(&workspace, &args, up::Functions::LambdaLocal),
            Some(Command::Watch(args)) => up::run(&workspace, &args, up::Functions::CargoLambda),
            Some(Command::Down(args)) => down::run(&workspace, &args),
            Some(Command::Status(args)) => status::run(&workspace, &args),
            Some(Command::Env(args)) => env::run(&workspace, &args),
            Some(Command::Logs(args)) => logs::run(&workspace, &args),
            Some(Command::Invoke(args)) => invoke::run(&workspace, &args),
            Some(Command::Replay(args)) => replay::run(&workspace, &args),
            Some(Command::Record(args)) => record::run(&workspace, &args),
            Some(Command::Load(args)) => load::run(&workspace, &args),
            Some(Command::Bench(args)) => bench::run(&workspace, &args),
            Some(Command::Simulate(args)) => simulate::run(&workspace, &args),
            Some(Command::Package(args)) => package::run(&workspace, &args),
            Some(Command::Check(args)) => check::run(&workspace, &args),
            Some(Command::Docs(args)) => docs::run(&workspace, &args),
            Some(Command::Test(args)) => test::run(&workspace, &args),
            Some(Command::Ci(args)) => test::ci(&workspace, &args),
            Some(Command::Readme) => readme::run(&workspace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_fit_together() {
        Cli::command().debug_assert();
    }
}
