//! `GET /ready`: whether what this function needs is there, and whether what it accepts is settled.
//!
//! Kafka, MongoDB and the fences are asked once a second at most, however many ask here: who comes within a second of a
//! look, or while the next one is under way, has the answer of the last. A look ends within [`LOOK`]. How old the oldest
//! unsettled command is, [`crate::unsettled`] says, and why it is that which says it.

use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use ledger::Position;
use ledger_log::CommandLog;
use ledger_store::Reading;
use ledger_wire::problem::{Problem, ProblemKind};
use serde::Serialize;
use tokio::time::{Duration, Instant, timeout};

use crate::answers::{Answer, json, problem_with};
use crate::budget;
use crate::door::Door;
use crate::unsettled::{Progress, Unsettled};

/// For how long an answer is good.
const FRESH: Duration = Duration::from_secs(1);
/// The longest a look takes; half of it is librdkafka's.
const LOOK: Duration = Duration::from_secs(3);
/// What a door that is not told otherwise bears.
const OLDEST_BORNE: Duration = Duration::from_secs(60);

/// What is known of readiness, shared by all requests.
#[derive(Debug)]
pub(crate) struct Readiness {
    unsettled: Mutex<Unsettled>,
    /// Held while somebody looks.
    looking: tokio::sync::Mutex<()>,
    last: Mutex<Option<(Instant, Seen)>>,
    oldest_borne: Duration,
}

impl Default for Readiness {
    fn default() -> Self {
        Self::bearing(OLDEST_BORNE)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Seen {
    /// Without it nothing is accepted.
    log: &'static str,
    /// Without it nothing is read.
    store: &'static str,
    /// Without it what is accepted waits: `ready`, or `behind`, or `unknown` while the store is away.
    settling: &'static str,
    /// What has waited longest of what was accepted here, where it has waited too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_unsettled: Option<Oldest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Oldest {
    partition: u16,
    age_ms: u64,
}

#[derive(Debug, Serialize)]
struct NotReady<'a> {
    #[serde(flatten)]
    problem: Problem,
    #[serde(flatten)]
    seen: &'a Seen,
}

impl Readiness {
    pub(crate) fn bearing(oldest_borne: Duration) -> Self {
        let (unsettled, looking, last) = Default::default();
        Self { unsettled, looking, last, oldest_borne }
    }

    /// What was accepted has to be settled.
    pub(crate) fn appended(&self, position: Position) {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).appended(position, Instant::now());
    }

    fn last(&self) -> Option<(Instant, Seen)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn seen<L: CommandLog, R: Reading>(&self, door: &Door<L, R>) -> Seen {
        let is_fresh = |last: &(Instant, Seen)| last.0.elapsed() < FRESH;
        if let Some((_, seen)) = self.last().filter(is_fresh) {
            return seen;
        }
        let _looking = match (self.looking.try_lock(), self.last()) {
            (Ok(looking), _) => looking,
            (Err(_), Some((_, seen))) => return seen,
            (Err(_), None) => self.looking.lock().await,
        };
        if let Some((_, seen)) = self.last().filter(is_fresh) {
            return seen;
        }
        let seen = self.look(door).await;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), seen.clone()));
        seen
    }

    async fn look<L: CommandLog, R: Reading>(&self, door: &Door<L, R>) -> Seen {
        let progress = timeout(LOOK, door.accounts.progress());
        let (log, progress) = futures::join!(budget::answers_within(LOOK, door.log.ping()), progress);
        let word = |is_there| if is_there { "ready" } else { "away" };
        match progress {
            Ok(Ok(progress)) => self.judge(word(log), &progress.into_iter().collect()),
            _ => Seen { log: word(log), store: "away", settling: "unknown", oldest_unsettled: None },
        }
    }

    fn judge(&self, log: &'static str, progress: &Progress) -> Seen {
        let oldest = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).oldest(progress, Instant::now());
        let behind = oldest.filter(|(_, age)| *age > self.oldest_borne);
        let oldest_unsettled = behind.map(|(partition, age)| Oldest { partition, age_ms: age.as_millis() as u64 });
        Seen { log, store: "ready", settling: if behind.is_some() { "behind" } else { "ready" }, oldest_unsettled }
    }
}

impl Seen {
    /// What is wrong, in words; nothing where all is well.
    fn trouble(&self) -> Option<String> {
        let mut troubles = Vec::new();
        if self.log == "away" {
            troubles.push("Kafka does not answer: nothing is accepted".to_owned());
        }
        if self.store == "away" {
            troubles.push("MongoDB does not answer: commands are accepted, and nothing is read or settled".to_owned());
        }
        if let Some(Oldest { partition, age_ms }) = self.oldest_unsettled {
            troubles.push(format!(
                "a command in partition {partition} of the log has waited {} s to be settled",
                age_ms / 1_000
            ));
        }
        (!troubles.is_empty()).then(|| troubles.join("; "))
    }
}

/// 200 when all is well, a problem with 503 when something is not. Load balancers should ask `/health`: commands are
/// accepted without MongoDB, and while others wait.
pub(crate) async fn show<L: CommandLog, R: Reading>(door: &Door<L, R>) -> Answer {
    let seen = door.readiness.seen(door).await;
    match seen.trouble() {
        None => json(StatusCode::OK, &seen),
        Some(trouble) => {
            let problem = ProblemKind::NotReady.detail(trouble);
            problem_with(problem.status, &NotReady { problem, seen: &seen })
        }
    }
}
