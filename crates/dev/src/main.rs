//! `cargo dev`: the workshop. It brings the whole of Passbook up on one machine and watches over it, stops it, looks
//! into it, measures it and runs its tests.
//!
//! It knows processes, ports, files and progress bars, and no Kafka or MongoDB client, so that it compiles in seconds on
//! a fresh clone; what needs those (topics, indexes, lag) it asks of `passbook`, the operator's command line.
//!
//! Where to look: `prepare` gets the machine, the pinned parts and the release binaries ready; `part` says how each
//! program of the stack is started, is known to be ready and is stopped; `supervise` keeps them running; `stack` is
//! what a running stack writes about itself; the other modules are one command each.

mod bench;
mod check;
mod checkout;
mod cli;
mod compare;
mod docs;
mod down;
mod emulator;
mod env;
mod exit;
mod http;
mod invoke;
mod load;
mod logs;
mod mark;
mod operator;
mod package;
mod part;
mod ports;
mod prepare;
mod process;
mod readme;
mod record;
mod replay;
mod samples;
mod say;
mod simulate;
mod stack;
mod status;
mod steps;
mod supervise;
mod test;
mod up;
mod workbench;
mod workspace;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    process::raise_open_files();
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => exit::report(&error),
    }
}
