//! Free ports for the parts.
//!
//! They are looked for between 20000 and 29999, below the range the kernel gives to outgoing connections: a stack
//! that stops and starts wants its ports back (a MongoDB replica set remembers its own address), and no connection may
//! have taken one in between. Each stack begins its search elsewhere, so that two that start at once do not meet.

use anyhow::{Result, bail};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::Path;

const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

#[derive(Debug)]
pub(crate) struct Ports {
    next: u16,
    given: HashSet<u16>,
}

impl Ports {
    pub(crate) fn for_stack(dir: &Path) -> Self {
        let mut hasher = DefaultHasher::new();
        (dir, std::process::id()).hash(&mut hasher);
        let next = u16::try_from(hasher.finish() % u64::from(COUNT)).unwrap_or(0);
        Self { next, given: HashSet::new() }
    }

    /// A port nobody listens at and this stack has not given away.
    pub(crate) fn free(&mut self) -> Result<u16> {
        for _ in 0..COUNT {
            let port = FIRST + self.next;
            self.next = (self.next + 1) % COUNT;
            if !self.given.contains(&port) && is_free(port) {
                self.given.insert(port);
                return Ok(port);
            }
        }
        bail!("no free port between {FIRST} and {}", FIRST + COUNT - 1)
    }

    /// The port of last time when it is still free, else another one.
    pub(crate) fn same_or_free(&mut self, remembered: Option<u16>) -> Result<u16> {
        match remembered {
            Some(port) if is_free(port) && self.given.insert(port) => Ok(port),
            _ => self.free(),
        }
    }
}

pub(crate) fn is_free(port: u16) -> bool {
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    v4 && (!has_ipv6() || TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok())
}

/// Whether this machine has an IPv6 loopback; `localhost` may mean it.
pub(crate) fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once() {
        let mut ports = Ports::for_stack(Path::new("/a"));
        let (one, two) = (ports.free().unwrap(), ports.free().unwrap());
        assert_ne!(one, two);
        assert_ne!(ports.same_or_free(Some(one)).unwrap(), one);
    }

    #[test]
    fn a_remembered_port_is_kept_unless_somebody_listens_there() {
        let mut ports = Ports::for_stack(Path::new("/b"));
        let free = Ports::for_stack(Path::new("/c")).free().unwrap();
        assert_eq!(ports.same_or_free(Some(free)).unwrap(), free);
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(ports.same_or_free(Some(port)).unwrap(), port);
    }
}
