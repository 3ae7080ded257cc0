//! Runs seeds of the simulation and says which is the first that is wrong.

use std::process::ExitCode;

use clap::Parser;
use simulation::world::Plant;

/// Simulates settling under faults, a seed at a time.
#[derive(Debug, Parser)]
struct Args {
    /// How many seeds to run
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
}

fn main() -> ExitCode {
    let Args { seeds, from } = Args::parse();
    match simulation::first_wrong(from..from.saturating_add(seeds), Plant::Nothing) {
        None => {
            println!(
                "{seeds} seeds from {from} on: every accepted command has its outcome, the books are those of one fold"
            );
            ExitCode::SUCCESS
        }
        Some((seed, wrong)) => {
            println!("seed {seed}: {wrong}\nreplay it with: cargo dev simulate --from {seed} --seeds 1");
            ExitCode::FAILURE
        }
    }
}
