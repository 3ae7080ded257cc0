//! The whole of Passbook, seen from the outside, while it works and while it is being broken.
//!
//! The tests run one after another (two cores have enough to do with one stack) and in this order. Most share a stack;
//! those that kill parts share two others, whose logs may say more; those about starting and stopping have their own.
//! Every stack is ended, whatever a test does (see `system_tests::Stack`), and its logs must not hold an error that no
//! test has announced.

mod advice;
mod back_ends;
mod benchmark;
mod chaos;
mod door;
mod events;
mod front;
mod keys;
mod killed_runtime;
mod lifecycle;
mod markers;
mod money;
mod outage;
mod redelivery;
mod secured;
mod shared;
mod starving;
mod tools;
mod unreadable;
mod watch;

/// `#[test]` without the attribute: the functions of a module under its name.
macro_rules! trials {
    ($on:expr, $module:ident: $($name:ident),* $(,)?) => {
        vec![$($crate::shared::trial(concat!(stringify!($module), "::", stringify!($name)), $on, $name)),*]
    };
}
use trials;

fn main() {
    let mut arguments = libtest_mimic::Arguments::from_args();
    arguments.test_threads = Some(1);
    let trials = [
        front::trials(),
        money::trials(),
        keys::trials(),
        door::trials(),
        starving::trials(),
        redelivery::trials(),
        unreadable::trials(),
        markers::trials(),
        benchmark::trials(),
        tools::trials(),
        events::trials(),
        secured::trials(),
        lifecycle::trials(),
        advice::trials(),
        watch::trials(),
        shared::last_trial(&shared::CALM),
        chaos::trials(),
        outage::trials(),
        starving::outage_trials(),
        shared::last_trial(&shared::SHAKEN),
        back_ends::trials(),
        shared::last_trial(&shared::PAIRED),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    // A filter may have left the last trials out.
    let ended = [&shared::CALM, &shared::SHAKEN, &shared::PAIRED].map(shared::Shared::finish);
    for error in ended.iter().filter_map(|ended| ended.as_ref().err()) {
        eprintln!("{error:#}");
    }
    conclusion.exit_if_failed();
    std::process::exit(i32::from(ended.iter().any(Result::is_err)));
}
