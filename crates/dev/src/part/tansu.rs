//! tansu, the embedded broker: one small program, no Java, nothing on disk. It forgets everything when it ends.

use super::{Part, Probe, Stop, args, loopback};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const NAME: &str = "tansu";

pub(crate) fn part(program: PathBuf, port: u16) -> Part {
    let url = format!("tcp://127.0.0.1:{port}");
    let settings = ["--listener-url", &url, "--advertised-listener-url", &url, "--storage-engine", "memory://tansu/"];
    Part {
        name: NAME,
        program,
        args: args(settings),
        // It colours what it writes to a file, too.
        env: vec![("NO_COLOR".to_owned(), "1".to_owned())],
        dir: None,
        address: format!("127.0.0.1:{port}"),
        ready: Probe::Port(loopback(port)),
        ready_within: Duration::from_secs(20),
        stop: Stop::terminate(5),
        forgets: true,
    }
}
