//! The operator's command line: topics, books, checks.

mod check;
mod cli;
mod exit;
mod lag;
mod msk;
mod places;
mod table;
mod topics;

use std::io::stderr;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, MskCommand, Places, StoreCommand, Topics};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let levels = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into());
    tracing_subscriber::fmt().with_writer(stderr).with_env_filter(levels).init();
    exit::exit_code(run(&cli.places, cli.command).await)
}

async fn run(places: &Places, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Topics(Topics::Create { partitions, replication_factor, if_missing }) => {
            topics::create(places, ledger_log::CreateTopics { partitions, replication_factor }, if_missing).await
        }
        Command::Topics(Topics::Describe { json }) => topics::describe(places, json).await,
        Command::Topics(Topics::Delete { yes }) => topics::delete(places, yes).await,
        Command::Store(StoreCommand::Init { single_node_replica_set }) => {
            let store = places.store().await?;
            store.initialize(single_node_replica_set).await?;
            println!("the books are ready");
            Ok(())
        }
        Command::Msk(MskCommand::Describe { json }) => msk::describe(places, json).await,
        Command::Check => check::check(places).await,
        Command::Lag { json, stuck_after } => lag::lag(places, json, stuck_after).await,
    }
}
