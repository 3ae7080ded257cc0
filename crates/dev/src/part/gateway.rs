//! lambda-local's gateway: queues what the back end behind it cannot take. `cargo lambda watch` stops answering for good
//! once about 100 requests wait; NGINX can only refuse above a limit, not queue.

use super::{Part, Probe, Stop, args, loopback};
use crate::workspace::Workspace;
use std::time::Duration;

pub(crate) const NAME: &str = "gateway";

const MAX_IN_FLIGHT: &str = "64";
/// The first request after an edit waits for the compiler.
const MAX_WAIT_MS: &str = "300000";

pub(crate) fn part(workspace: &Workspace, port: u16, forward: &str) -> Part {
    let listen = format!("127.0.0.1:{port}");
    let limits = ["--max-in-flight", MAX_IN_FLIGHT, "--max-wait-ms", MAX_WAIT_MS];
    Part {
        name: NAME,
        program: workspace.binary("lambda-local"),
        args: args(["gateway", "--listen", &listen, "--forward", forward].into_iter().chain(limits)),
        env: Vec::new(),
        dir: None,
        address: format!("http://{listen}"),
        ready: Probe::Port(loopback(port)),
        ready_within: Duration::from_secs(10),
        stop: Stop::terminate(15),
        forgets: false,
    }
}
