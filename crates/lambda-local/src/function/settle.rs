//! How an invocation ends: its lines in the log, and the answer to its caller.

use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{Books, Call, Delivered, Function};
use crate::environment::Ending;
use crate::function_log::FunctionLog;
use crate::invocation::{Answer, Refused, request_id_text};
use crate::pool::{Failure, RequestId};
use crate::report;

/// Turns of the event loop in which what a function printed before it answered arrives through its pipe.
const TURNS: usize = 3;

pub(super) async fn turns() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

/// A request that has come to its end, with its caller.
pub(super) struct Over {
    id: String,
    delivered: Option<Delivered>,
    /// Whether others wrote to the same log meanwhile.
    shared_its_log: bool,
    reply: oneshot::Sender<Result<Answer, Refused>>,
}

impl Function {
    /// What a caller hears when the pool could not get an answer, in AWS's words.
    pub(super) fn failure(
        &self,
        request: RequestId,
        failure: Failure,
        init_error: Option<Bytes>,
        ending: Option<&Ending>,
    ) -> Result<Answer, Refused> {
        let id = request_id_text(request);
        match failure {
            Failure::Throttled => Err(Refused::Throttled),
            Failure::Stopping => Err(Refused::Stopping),
            Failure::TimedOut => {
                let after = report::seconds(self.spec.timeout);
                let message = format!("RequestId: {id} Error: Task timed out after {after} seconds");
                Ok(Answer::platform_error("Sandbox.Timedout", &message))
            }
            Failure::InitTimedOut => {
                let after = report::seconds(self.settings.limits.longest_start());
                let message = format!("RequestId: {id} Error: Init timed out after {after} seconds");
                Ok(Answer::platform_error("Sandbox.Timedout", &message))
            }
            Failure::Exited(_) => Ok(match (init_error, ending) {
                (Some(described), _) => Answer::failure(described),
                (None, Some(Ending::NotStarted(reason))) => {
                    Answer::platform_error("Runtime.InvalidEntrypoint", &format!("RequestId: {id} Error: {reason}"))
                }
                (None, Some(Ending::Exited(how))) => {
                    Answer::platform_error("Runtime.ExitError", &format!("RequestId: {id} Error: {how}"))
                }
                (None, None) => {
                    Answer::platform_error("Runtime.ExitError", &format!("RequestId: {id} Error: Runtime exited"))
                }
            }),
        }
    }

    /// What is left of a request once it is out of the books.
    pub(super) fn over(&self, books: &Books, request: RequestId, call: Call) -> Over {
        let Call { delivered, reply, .. } = call;
        let shared_its_log = delivered.as_ref().is_some_and(|delivered| {
            let last = match self.log.is_by_environment() {
                true => books.processes.get(&delivered.environment).map_or(0, |process| process.last_delivery),
                false => books.deliveries,
            };
            delivered.log.is_some_and(|part| part.is_shared || last > part.delivery)
        });
        Over { id: request_id_text(request), delivered, shared_its_log, reply }
    }

    /// Writes the last lines of an invocation and answers its caller. `status` is what REPORT says of it.
    pub(super) fn settle(&self, over: Over, outcome: Result<Answer, Refused>, status: &'static str) {
        let (log, memory_mb) = (Arc::clone(&self.log), self.spec.memory_mb);
        match Handle::try_current().ok().filter(|_| over.delivered.is_some() && log.is_by_environment()) {
            Some(runtime) => drop(runtime.spawn(async move {
                turns().await;
                over.settle(&log, memory_mb, outcome, status);
            })),
            None => over.settle(&log, memory_mb, outcome, status),
        }
    }
}

impl Over {
    fn settle(self, log: &FunctionLog, memory_mb: u32, mut outcome: Result<Answer, Refused>, status: &str) {
        if let Some(delivered) = self.delivered {
            let lines = report::end(&self.id, delivered.at.elapsed(), delivered.init, memory_mb, status);
            log.write(delivered.environment, &lines);
            if let (Some(part), Ok(answer)) = (delivered.log, &mut outcome) {
                let only = self.shared_its_log.then_some(self.id.as_str());
                answer.log = Some(log.tail(delivered.environment, part.since, only));
            }
        }
        // A caller that has gone does not need the answer.
        let _ = self.reply.send(outcome);
    }
}
