//! MongoDB: one `mongod` as a replica set of one, because transactions need a replica set.
//!
//! A replica set remembers the address of its members: a mongod that comes back at another port is no member of its own
//! set any more. So its port is kept for the life of the data, and `up` says so when somebody else has taken it.

use super::{Part, Probe, Stop, args, loopback, with_path};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) const NAME: &str = "mongod";

pub(crate) fn uri(port: u16) -> String {
    format!("mongodb://127.0.0.1:{port}/?replicaSet=rs0")
}

/// Gigabytes of cache, where nobody asks for another number. The default is half the machine's memory: too much for a guest
/// on a laptop.
const CACHE_GB: &str = "1";

pub(crate) fn part(program: PathBuf, port: u16, data: &Path) -> Part {
    part_with_cache(program, port, data, CACHE_GB)
}

/// The same, with so many gigabytes of cache.
pub(crate) fn part_with_cache(program: PathBuf, port: u16, data: &Path, cache_gb: &str) -> Part {
    let port_text = port.to_string();
    let settings = [
        "--replSet",
        "rs0",
        "--bind_ip",
        "127.0.0.1",
        "--port",
        &port_text,
        // Its socket in /tmp would outlive a kill.
        "--nounixsocket",
        "--wiredTigerCacheSizeGB",
        cache_gb,
        // The default is a twentieth of the machine's disk.
        "--oplogSize",
        "1024",
        // Statistics gathered every second, read by nobody here.
        "--setParameter",
        "diagnosticDataCollectionEnabled=false",
        // The transaction of a settler that was killed keeps its accounts locked for so many seconds, and up to half as many
        // more; the default is 60. The largest events of `cargo dev bench large` take a second or two, in parts.
        "--setParameter",
        "transactionLifetimeLimitSeconds=15",
        "--slowms",
        "1000",
    ];
    Part {
        name: NAME,
        program,
        args: with_path(args(settings), "--dbpath", data),
        env: Vec::new(),
        dir: None,
        address: uri(port),
        ready: Probe::Port(loopback(port)),
        ready_within: Duration::from_secs(120),
        stop: Stop::terminate(30),
        forgets: false,
    }
}
