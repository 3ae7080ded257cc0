//! Every transition and every refusal, one line a case: what is given, the commands, and the last outcome.
//!
//! Command number N of a case stands at offset N, so `capture(1, …)` is about the hold of the second one; in what is
//! expected, `#N` is that position. An outcome reads `<status> [<reason or original>] <balance>/<held>/<available>`.

mod cases;
mod changes;
mod teller;
