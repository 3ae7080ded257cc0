//! `POST /transaction` and `GET /transactions/{id}`.

use std::slice;

use http::header::{HeaderName, LOCATION};
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use lambda_http::Body;
use ledger::{Action, Entry, Line, Outcome, Refusal, Timestamp, TransactionId};
use ledger_log::{AppendError, Appended, CommandLog, Traceparent};
use ledger_store::{Lookup, Reading, StoreError};
use ledger_wire::answer::{AcceptedBody, OutcomeBody, UnreadableBody};
use ledger_wire::problem::{Problem, ProblemKind};
use ledger_wire::{FieldFault, NewCommand};
use tokio::time::Instant;

use crate::answers::{Answer, json, not_found, problem, with_header};
use crate::body::json_bytes;
use crate::budget;
use crate::door::Door;
use crate::holds::HoldsNow;
use crate::idempotency_key::{self, idempotency_key};
use crate::preferences::{PREFERENCE_APPLIED, asked_wait, preferred_wait};
use crate::query::parameters;

const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Appends a command. 202 as soon as the log has it, or with `Prefer: wait=N` its outcome when that comes in time. What was
/// sent is let go before anything is waited for.
pub(crate) async fn accept<L: CommandLog, R: Reading>(
    door: &Door<L, R>,
    request: Request<Body>,
) -> Result<Answer, Problem> {
    let arrived = Instant::now();
    let [] = parameters(request.uri(), [])?;
    let command = read_command(&request)?;
    let (Parts { headers, .. }, body) = request.into_parts();
    drop(body);
    let appended = append(door, &command, &headers).await;
    let id = appended.map_err(|error| append_problem(&error, &command))?;
    let Some(asked) = preferred_wait(&headers) else { return Ok(accepted(&id)) };
    let wait = door.waits.begin(|| door.accounts.comes_soon(id.position));
    let outcome = wait.of(Box::pin(outcome_in_time(door, &id, arrived + asked))).await.flatten();
    // Who was not let wait so long is not told that he did.
    let is_applied = outcome.is_some() || wait.is_whole();
    let answer = outcome.unwrap_or_else(|| accepted(&id));
    let applied = format!("wait={}", asked.as_secs());
    Ok(if is_applied { with_header(answer, PREFERENCE_APPLIED, &applied) } else { answer })
}

/// Says what became of a command; with `?wait=N` as soon as it is known.
pub(crate) async fn show<L: CommandLog, R: Reading>(
    door: &Door<L, R>,
    request: &Request<Body>,
    id: &str,
) -> Result<Answer, Problem> {
    let [wait] = parameters(request.uri(), ["wait"])?;
    let wait = asked_wait(wait.as_deref())?;
    let id: TransactionId = id.parse().map_err(|rule| FieldFault::new("id", rule))?;
    let Some(asked) = wait else { return budget::read(told(door, &id, door.accounts.transaction(&id))).await };
    let until = Instant::now() + asked;
    let waiting = budget::wait(until, told(door, &id, door.accounts.await_outcome(&id, until)));
    // Whether a command of this id is about to come, nobody knows.
    match door.waits.begin(|| false).of(waiting).await {
        Some(answer) => answer,
        // What is known now.
        None => budget::read(told(door, &id, door.accounts.transaction(&id))).await,
    }
}

/// The answer with what a look has found.
async fn told<L: CommandLog, R: Reading>(
    door: &Door<L, R>,
    id: &TransactionId,
    look: impl Future<Output = Result<Lookup, StoreError>>,
) -> Result<Answer, StoreError> {
    Ok(match look.await? {
        Lookup::Settled(outcome) => {
            let holds = HoldsNow::of(door, slice::from_ref(&outcome)).await?;
            json(StatusCode::OK, &holds.tell(&outcome))
        }
        Lookup::Accepted => json(StatusCode::OK, &AcceptedBody::new(id)),
        Lookup::Unreadable { why, recorded_at } => unreadable(id, &why, recorded_at),
        Lookup::NotFound => not_found(format!("there is no transaction {id}")),
    })
}

fn unreadable(id: &TransactionId, why: &str, recorded_at: Timestamp) -> Answer {
    json(StatusCode::OK, &UnreadableBody::new(id.position, why, recorded_at).of(id))
}

fn read_command(request: &Request<Body>) -> Result<NewCommand, Problem> {
    let mut command = NewCommand::from_body(json_bytes(request)?)?;
    command.idempotency_key = idempotency_key(request.headers())?;
    Ok(command)
}

async fn append<L: CommandLog, R>(
    door: &Door<L, R>,
    command: &NewCommand,
    headers: &HeaderMap,
) -> Result<TransactionId, AppendError> {
    let traceparent = traceparent(headers);
    let appended = door.log.append(slice::from_ref(command), traceparent.as_ref()).await;
    let untold = || AppendError::Unconfirmed { timeout_ms: 0, reason: "the log gave no answer".to_owned() };
    let Appended { position, .. } = appended.into_iter().next().ok_or_else(untold)??;
    door.readiness.appended(position);
    let id = TransactionId { account: command.account.clone(), position };
    tracing::debug!(transaction = %id, "accepted");
    Ok(id)
}

pub(crate) fn traceparent(headers: &HeaderMap) -> Option<Traceparent> {
    headers.get(ledger_log::TRACEPARENT).and_then(|value| value.to_str().ok()?.parse().ok())
}

fn accepted(id: &TransactionId) -> Answer {
    with_location(json(StatusCode::ACCEPTED, &AcceptedBody::new(id)), id)
}

fn with_location(answer: Answer, id: &TransactionId) -> Answer {
    with_header(answer, LOCATION, &format!("/transactions/{id}"))
}

/// The answer with what became of the command; nothing when that is not known in time. The command is in the log either
/// way, so a store that cannot be read is no reason to say that it failed.
async fn outcome_in_time<L: CommandLog, R: Reading>(
    door: &Door<L, R>,
    id: &TransactionId,
    until: Instant,
) -> Option<Answer> {
    match budget::wait(until, door.accounts.await_outcome(id, until)).await.ok()? {
        Lookup::Settled(outcome) => answer_with(door, id, outcome, until).await,
        Lookup::Unreadable { why, recorded_at } => Some(with_location(unreadable(id, &why, recorded_at), id)),
        Lookup::Accepted => None,
        Lookup::NotFound => {
            tracing::error!(transaction = %id, "an accepted command is settled, and yet it has no outcome");
            None
        }
    }
}

/// A key that was used before answers with the first command under it.
async fn answer_with<L: CommandLog, R: Reading>(
    door: &Door<L, R>,
    id: &TransactionId,
    outcome: Outcome,
    until: Instant,
) -> Option<Answer> {
    let id_of = |position| TransactionId { account: id.account.clone(), position };
    match outcome.entry.line {
        Line::Refused { refusal: Refusal::IdempotencyKeyReused { original }, .. } => {
            let original = id_of(original);
            let first = settled_outcome(door, &original, until).await?;
            Some(problem(&key_reused(&original, &first.entry, &outcome.entry)))
        }
        Line::Replayed { original, .. } => {
            let original = id_of(original);
            let outcome = settled_outcome(door, &original, until).await?;
            let holds = budget::wait(until, HoldsNow::of(door, slice::from_ref(&outcome))).await.ok()?;
            let answer = with_location(json(StatusCode::OK, &holds.tell(&outcome)), &original);
            Some(with_header(answer, IDEMPOTENCY_REPLAYED, "true"))
        }
        _ => Some(with_location(json(StatusCode::OK, &OutcomeBody::from(&outcome)), id)),
    }
}

/// Names what a command under a used key has otherwise than the first one under it.
fn key_reused(original: &TransactionId, first: &Entry, again: &Entry) -> Problem {
    let mut fields = fields_that_differ(&first.line.asked(), &again.line.asked());
    fields.extend((first.reference != again.reference).then_some("reference"));
    let fields = fields.join(", ");
    let detail = format!("the key stands for {original}, which differs in {fields}; a new command needs a new key");
    ProblemKind::IdempotencyKeyReused.detail(detail).at_field(idempotency_key::NAME)
}

fn fields_that_differ(first: &Action, again: &Action) -> Vec<&'static str> {
    let expiry = |action: &Action| match action {
        Action::WithdrawalRequest { expires_in_seconds, .. } => Some(*expires_in_seconds),
        _ => None,
    };
    let is_final = |action: &Action| match action {
        Action::Capture { is_final, .. } => Some(*is_final),
        _ => None,
    };
    let (money, other_money) = (first.money(), again.money());
    let fields = [
        ("type", first.kind() != again.kind()),
        ("amount", money.map(|money| money.amount) != other_money.map(|money| money.amount)),
        ("currency", money.map(|money| money.currency) != other_money.map(|money| money.currency)),
        ("expires_in_seconds", expiry(first) != expiry(again)),
        ("request", first.request() != again.request()),
        ("final", is_final(first) != is_final(again)),
    ];
    fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}

async fn settled_outcome<L: CommandLog, R: Reading>(
    door: &Door<L, R>,
    id: &TransactionId,
    until: Instant,
) -> Option<Outcome> {
    match budget::wait(until, door.accounts.await_outcome(id, until)).await {
        Ok(Lookup::Settled(outcome)) => Some(outcome),
        Ok(Lookup::Accepted | Lookup::Unreadable { .. } | Lookup::NotFound) | Err(_) => None,
    }
}

fn append_problem(error: &AppendError, command: &NewCommand) -> Problem {
    let account = &command.account;
    if error.retry_helps() {
        tracing::warn!(%account, %error, "a command was not accepted");
    } else {
        tracing::error!(%account, %error, "a command was not accepted");
    }
    let detail = match (error.maybe_recorded(), command.idempotency_key.is_some()) {
        (false, _) => "the command was not recorded; send it again",
        (true, true) => {
            "the log did not confirm the command in time, and may or may not have it; send it again with the same \
             Idempotency-Key, which makes it count once"
        }
        (true, false) => {
            "the log did not confirm the command in time, and may or may not have it; look at the account's transactions \
             before you send it again, and send commands with an Idempotency-Key"
        }
    };
    ProblemKind::LogUnavailable.detail(detail)
}
