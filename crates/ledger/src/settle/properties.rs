//! The invariants of the rules of money, over any commands.
