//! `lambda-local`: AWS Lambda on one machine, from a SAM template. See `lambda-local --help`.

use std::time::Duration;

use clap::{Parser, Subcommand};

mod commands;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// AWS Lambda on one machine, without Docker, from the SAM template that also deploys to AWS.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a template's functions: Invoke API, function URLs and Kafka event sources behind one address.
    Start(commands::start::Args),
    /// Polls Kafka for a template's event sources, and invokes the functions at another endpoint.
    Poll(commands::poll::Args),
    /// Forwards requests, queueing those above what the back end takes at once.
    Gateway(commands::gateway::Args),
    /// Invokes a function once and prints its answer; exit status 1 when the function failed.
    Invoke(commands::invoke::Args),
    /// Records a stretch of a topic as the event its function would be invoked with, to be replayed with `invoke`.
    Record(commands::record::Args),
}

fn main() {
    let cli = Cli::parse();
    commands::log_to_stderr();
    // One thread: on a machine that runs everything else too it is as fast as several and leaves the cores to the rest.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(Into::into).and_then(|runtime| {
        let outcome = runtime.block_on(run(cli.command));
        // What still runs here (the connection of a client that stays, say) ends before the process does.
        runtime.shutdown_timeout(Duration::from_secs(1));
        outcome
    });
    let code = outcome.unwrap_or_else(|error| {
        eprintln!("lambda-local: {error:#}");
        1
    });
    commands::end(code);
}

async fn run(command: Command) -> anyhow::Result<i32> {
    match command {
        Command::Start(args) => commands::start::run(args).await,
        Command::Poll(args) => commands::poll::run(args).await,
        Command::Gateway(args) => commands::gateway::run(args).await,
        Command::Invoke(args) => commands::invoke::run(args).await,
        Command::Record(args) => commands::record::run(&args),
    }
}
