//! The orderly end of a stack: no new requests, then everything accepted is settled, for as long as it helps.

use crate::operator::Operator;
use crate::part::{lambda_local, nginx};
use crate::say::{self, Step, thousands};
use crate::supervise::Supervisor;
use crate::workspace::Workspace;
use anyhow::Result;
use std::time::{Duration, Instant};

const LONGEST: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn stop_taking_requests(supervisor: &mut Supervisor) -> Result<()> {
    supervisor.file.ready = false;
    supervisor.stop(nginx::NAME)
}

/// Waits, at most half a minute, until nothing accepted is unsettled; another Ctrl-C ends the wait. What is left then is
/// in the log, and is settled after the next start.
pub(crate) fn settle_the_rest(workspace: &Workspace, supervisor: &mut Supervisor) {
    let reads_the_log = |supervisor: &Supervisor| {
        [lambda_local::NAME, lambda_local::POLLER].iter().any(|name| supervisor.is_running(name))
    };
    if !reads_the_log(supervisor) {
        return;
    }
    let operator = Operator::new(workspace, &supervisor.file.brokers, &supervisor.file.mongo);
    let step = Step::begin("log", "settling what was accepted");
    let deadline = Instant::now() + LONGEST;
    loop {
        let left = match operator.lag() {
            Ok(lag) if lag.lag == 0 => return step.done("everything accepted is settled"),
            Ok(lag) => format!("{} accepted commands are not settled yet", thousands(lag.lag)),
            Err(error) => format!("cannot tell what is left: {error:#}"),
        };
        step.doing(&left);
        let is_over = Instant::now() > deadline || !reads_the_log(supervisor);
        if supervisor.hurried_within(ASK_EVERY) || is_over {
            drop(step);
            return say::line("log", format!("{left}; they wait in the log for the next start"));
        }
    }
}
