//! `POST /transaction` and `GET /transactions/{id}`.

use http::header::{HeaderName, LOCATION};
use http::{HeaderMap, Request, StatusCode};
use lambda_http::Body;
use ledger::{Action, Entry, IdempotencyKey, Line, Outcome, Refusal, Timestamp, TransactionId};
use ledger_log::{AppendError, NewRecord, Traceparent};
use ledger_store::{Lookup, Reading};
use ledger_wire::answer::{AcceptedBody, OutcomeBody, UnreadableBody};
use ledger_wire::problem::{Problem, ProblemKind};
use ledger_wire::{FieldFault, NewCommand, record};
use tokio::time::Instant;

use crate::answers::{Answer, json, not_found, problem, with_header};
use crate::body::json_bytes;
use crate::budget;
use crate::door::Door;
use crate::preferences::{PREFERENCE_APPLIED, asked_wait, preferred_wait};
use crate::query::parameter;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Appends a command. 202 as soon as the log has it, or with `Prefer: wait=N` its outcome when that comes in time.
pub(crate) async fn accept<R: Reading>(door: &Door<R>, request: &Request<Body>) -> Answer {
    let arrived = Instant::now();
    let command = match read_command(request) {
        Ok(command) => command,
        Err(fault) => return problem(&fault),
    };
    let id = match append(door, &command, request.headers()).await {
        Ok(id) => id,
        Err(error) => return problem(&append_problem(&error, &command)),
    };
    // Where nobody more may wait, nobody is told that he did.
    match preferred_wait(request.headers()).and_then(|wait| Some((wait, door.waits.take()?))) {
        None => accepted(&id),
        Some((wait, _place)) => {
            let answer = outcome_in_time(door, &id, arrived + wait).await.unwrap_or_else(|| accepted(&id));
            with_header(answer, PREFERENCE_APPLIED, &format!("wait={}", wait.as_secs()))
        }
    }
}

/// Says what became of a command; with `?wait=N` as soon as it is known.
pub(crate) async fn show<R: Reading>(door: &Door<R>, request: &Request<Body>, id: &str) -> Answer {
    let wait = match asked_wait(parameter(request.uri(), "wait").as_deref()) {
        Ok(wait) => wait,
        Err(fault) => return problem(&fault.into()),
    };
    let id: TransactionId = match id.parse() {
        Ok(id) => id,
        Err(rule) => return problem(&FieldFault::new("id", rule).into()),
    };
    // Where nobody more may wait, what is known now is the answer.
    let found = match wait.and_then(|wait| Some((wait, door.waits.take()?))) {
        None => budget::read(door.accounts.transaction(&id)).await,
        Some((wait, _place)) => {
            let until = Instant::now() + wait;
            budget::wait(until, door.accounts.await_outcome(&id, until)).await
        }
    };
    match found {
        Ok(Lookup::Settled(outcome)) => json(StatusCode::OK, &OutcomeBody::from(&outcome)),
        Ok(Lookup::Accepted) => json(StatusCode::OK, &AcceptedBody::new(&id)),
        Ok(Lookup::Unreadable { why, recorded_at }) => unreadable(&id, &why, recorded_at),
        Ok(Lookup::NotFound) => not_found(format!("there is no transaction {id}")),
        Err(fault) => problem(&fault),
    }
}

fn unreadable(id: &TransactionId, why: &str, recorded_at: Timestamp) -> Answer {
    json(StatusCode::OK, &UnreadableBody::new(id.position, why, recorded_at).of(id))
}

fn read_command(request: &Request<Body>) -> Result<NewCommand, Problem> {
    let mut command = NewCommand::from_body(json_bytes(request)?)?;
    if let Some(value) = request.headers().get(IDEMPOTENCY_KEY) {
        let key: Result<IdempotencyKey, _> = value.to_str().unwrap_or_default().parse();
        command.idempotency_key = Some(key.map_err(|rule| FieldFault::new("Idempotency-Key", rule))?);
    }
    Ok(command)
}

async fn append<R>(door: &Door<R>, command: &NewCommand, headers: &HeaderMap) -> Result<TransactionId, AppendError> {
    let traceparent = traceparent(headers);
    let generation = budget::generation(&*door.log).await?;
    let value = record::encode(command, generation);
    let new = NewRecord { account: &command.account, generation, value: &value, traceparent: traceparent.as_ref() };
    let appended = door.log.append(new).await?;
    door.readiness.appended(appended.position);
    let id = TransactionId { account: command.account.clone(), position: appended.position };
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
async fn outcome_in_time<R: Reading>(door: &Door<R>, id: &TransactionId, until: Instant) -> Option<Answer> {
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
async fn answer_with<R: Reading>(
    door: &Door<R>,
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
            let answer = with_location(json(StatusCode::OK, &OutcomeBody::from(&outcome)), &original);
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
    ProblemKind::IdempotencyKeyReused.detail(detail).at_field("Idempotency-Key")
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

async fn settled_outcome<R: Reading>(door: &Door<R>, id: &TransactionId, until: Instant) -> Option<Outcome> {
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
