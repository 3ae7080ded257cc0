//! The kind of machine that a program is built for, as the head of an ELF file says it
//! (<https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html>).

use std::fmt;

/// `e_machine` of an ELF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Machine(u16);

const X86: Machine = Machine(3);
const ARM: Machine = Machine(40);
const X86_64: Machine = Machine(62);
const ARM64: Machine = Machine(183);

/// What a file is built for; none for what is no ELF file.
pub(super) fn machine(head: &[u8]) -> Option<Machine> {
    let (order, machine) = (head.strip_prefix(b"\x7fELF")?.get(1)?, head.get(18..20)?.try_into().ok()?);
    match order {
        1 => Some(Machine(u16::from_le_bytes(machine))),
        2 => Some(Machine(u16::from_be_bytes(machine))),
        _ => None,
    }
}

impl Machine {
    /// The kind of this machine, where it is one that is known here.
    pub(super) fn of_this_one() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86" => Some(X86),
            "arm" => Some(ARM),
            "x86_64" => Some(X86_64),
            "aarch64" => Some(ARM64),
            _ => None,
        }
    }

    /// Whether it runs what is built for another: the 64-bit kinds run their 32-bit ones.
    pub(super) fn runs(self, program: Self) -> bool {
        self == program || matches!((self, program), (X86_64, X86) | (ARM64, ARM))
    }
}

/// As a template's `Architectures` names it, where it can.
impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            X86 => f.write_str("x86"),
            ARM => f.write_str("arm"),
            X86_64 => f.write_str("x86_64"),
            ARM64 => f.write_str("arm64"),
            Self(other) => write!(f, "another kind of machine (ELF's number {other})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(order: u8, machine: [u8; 2]) -> Vec<u8> {
        let mut head = b"\x7fELF\x02".to_vec();
        head.push(order);
        head.resize(18, 0);
        head.extend(machine);
        head
    }

    #[test]
    fn the_head_of_a_program_says_its_machine() {
        assert_eq!(machine(&file(1, [62, 0])), Some(X86_64));
        assert_eq!(machine(&file(1, [183, 0])), Some(ARM64));
        assert_eq!(machine(&file(2, [0, 22])), Some(Machine(22)), "the other order of bytes");
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(machine(&own), Machine::of_this_one());
    }

    #[test]
    fn what_is_no_program_has_no_machine() {
        for head in [&b""[..], b"\x7fELF", b"PK\x03\x04", b"#!/bin/sh\n", &file(3, [62, 0]), &file(1, [62, 0])[..19]] {
            assert_eq!(machine(head), None, "{head:?}");
        }
    }

    #[test]
    fn a_machine_runs_its_own_programs_and_those_of_its_smaller_kind() {
        assert!(X86_64.runs(X86_64) && X86_64.runs(X86) && ARM64.runs(ARM));
        assert!(!X86_64.runs(ARM64) && !ARM64.runs(X86_64) && !X86.runs(X86_64));
    }
}
