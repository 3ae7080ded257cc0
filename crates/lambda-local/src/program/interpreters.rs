//! Programs of other machines that the kernel hands to an interpreter (QEMU, say), as it was told to by `binfmt_misc`
//! (<https://docs.kernel.org/admin-guide/binfmt-misc.html>).

use std::fs;

/// Most bytes of a program that the kernel compares.
pub(super) const MOST_BYTES: u64 = 256;

const REGISTERED: &str = "/proc/sys/fs/binfmt_misc";

/// Whether any interpreter takes a program with these first bytes.
pub(super) fn take(head: &[u8]) -> bool {
    let entries = fs::read_dir(REGISTERED).into_iter().flatten().flatten();
    entries.filter_map(|entry| fs::read_to_string(entry.path()).ok()).any(|entry| takes(&entry, head))
}

/// Whether an entry, in the kernel's words, is for a program.
fn takes(entry: &str, head: &[u8]) -> bool {
    let word = |name: &str| entry.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let offset: usize = word("offset").and_then(|offset| offset.parse().ok()).unwrap_or_default();
    let Some(magic) = word("magic").and_then(bytes) else { return false };
    let mask = word("mask").and_then(bytes).unwrap_or_else(|| vec![0xff; magic.len()]);
    let Some(compared) = head.get(offset..).and_then(|head| head.get(..magic.len())) else { return false };
    let same = |((have, want), mask): ((&u8, &u8), &u8)| have & mask == want & mask;
    entry.starts_with("enabled") && mask.len() == magic.len() && compared.iter().zip(&magic).zip(&mask).all(same)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok());
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QEMU: &str = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\noffset 0\nmagic \
                        7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    #[test]
    fn an_entry_is_for_programs_that_begin_as_it_says() {
        let program = |machine: u8| {
            let mut head = b"\x7fELF\x02\x01\x01\x03".to_vec();
            head.resize(16, 0);
            head.extend([3, 0, machine, 0, 1]);
            head
        };
        assert!(takes(QEMU, &program(183)), "the kind of the system is masked out, and that it may be moved");
        assert!(!takes(QEMU, &program(62)));
        assert!(!takes(QEMU, &program(183)[..19]), "too short");
        assert!(!takes(&QEMU.replace("enabled", "disabled"), &program(183)));
        assert!(!takes("enabled\ninterpreter /usr/bin/python3\nextension .py\n", &program(183)));
    }
}
