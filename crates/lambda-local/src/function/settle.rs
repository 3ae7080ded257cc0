//! How an invocation ends: its lines in the log, and the answer to its caller.

use bytes::Bytes;

use super::{Call, Function};
use crate::environment::Ending;
use crate::invocation::{Answer, Refused, request_id_text};
use crate::pool::{Failure, RequestId};
use crate::report;

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

    /// Writes the last lines of an invocation and answers its caller. `status` is what REPORT says of it.
    pub(super) fn settle(&self, request: RequestId, call: Call, mut outcome: Result<Answer, Refused>, status: &str) {
        if let Some(delivered) = call.delivered {
            let id = request_id_text(request);
            self.log.write(&report::end(&id, delivered.at.elapsed(), delivered.init, self.spec.memory_mb, status));
            if let (true, Ok(answer)) = (call.invocation.wants_log, &mut outcome) {
                answer.log = Some(self.log.tail_since(delivered.log_position));
            }
        }
        // A caller that has gone does not need the answer.
        let _ = call.reply.send(outcome);
    }
}
