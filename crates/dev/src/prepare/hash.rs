//! SHA-256 as pins spell it.

use sha2::{Digest, Sha256};

pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
