//! The whole path of a command, from the log into the books and out to `passbook.outcomes`, simulated: the settler's own logic
//! and the store's own rules, driven by one seed over models of what they stand on.
//!
//! - [`log`]: a log whose broker's clock is wrong now and then, with bytes that nobody can read, commands in the wrong
//!   partition, and markers of transactions; what it acknowledges to the door is accepted. [`reader`] is how the settler asks
//!   it; now and then it does not answer.
//! - [`books`]: the books in memory behind faults: MongoDB away, conflicts, transactions larger than it takes or takes in
//!   time, commits of which nobody knows, pauses longer than the server waits, and a crash before or after any step.
//! - [`outcomes`]: the topic of outcomes, which takes some of a batch and then fails.
//! - [`world`]: two settlers, an event source that delivers, repeats, overlaps and gives up, and time, which passes only when
//!   the world says so.
//!
//! Then everything heals, the event source delivers until all is settled, and the [`oracle`] looks: every accepted command
//! has one outcome, published, and always the same one; the books equal one fold of the log, digest by digest; debits equal
//! credits; to deliver everything again changes nothing. Some runs then lose commands that were not settled, or have the
//! topic created anew behind the books: the partitions have to stand still, and the books to stay as they are.
//!
//! Bounds: a seed is a few dozen happenings over two partitions and a handful of accounts, and takes about a millisecond. A
//! seed gives the same run each time; [`run`] says in one line what went wrong with it.

pub mod books;
#[cfg(test)]
mod folds;
pub mod log;
pub mod oracle;
pub mod outcomes;
mod reader;
pub mod world;

use world::{Plant, World};

/// Why a run is wrong.
pub type Wrong = String;

/// Runs one seed.
///
/// # Errors
/// What the oracle found.
pub fn run(seed: u64) -> Result<(), Wrong> {
    run_with(seed, Plant::Nothing)
}

/// Runs one seed, with a fault of the program planted.
///
/// # Errors
/// What the oracle found.
pub fn run_with(seed: u64, plant: Plant) -> Result<(), Wrong> {
    // What waits between two attempts is jittered by the generator of the thread.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async { World::new(seed, plant)?.run().await })
}

/// The first of these seeds that is wrong, and why.
pub fn first_wrong(seeds: impl IntoIterator<Item = u64>, plant: Plant) -> Option<(u64, Wrong)> {
    seeds.into_iter().find_map(|seed| Some((seed, run_with(seed, plant).err()?)))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const SEEDS: u64 = 10_000;
    const THREADS: u64 = 2;

    #[test]
    fn ten_thousand_seeds_are_right() {
        let part = |first: u64| move || first_wrong((first..SEEDS).step_by(THREADS as usize), Plant::Nothing);
        let threads: Vec<_> = (0..THREADS).map(|first| thread::spawn(part(first))).collect();
        let wrong: Vec<_> = threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect();
        assert!(wrong.is_empty(), "{}", told(&wrong[0]));
    }

    fn told((seed, wrong): &(u64, Wrong)) -> String {
        format!("seed {seed}: {wrong}\nreplay it with: cargo dev simulate --from {seed} --seeds 1")
    }

    #[test]
    fn every_planted_fault_is_found_within_a_hundred_seeds() {
        for plant in Plant::ALL {
            let found = first_wrong(0..100, plant);
            assert!(found.is_some(), "{plant:?} was not noticed");
        }
    }

    #[test]
    fn a_seed_gives_the_same_run_each_time() {
        for seed in 0..50 {
            let plant = Plant::FenceForgotten;
            assert_eq!(run_with(seed, plant), run_with(seed, plant), "seed {seed}");
        }
    }
}
