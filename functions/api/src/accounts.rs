//! `GET /accounts/{id}` and `GET /accounts/{id}/transactions`.

use http::{Request, StatusCode};
use lambda_http::Body;
use ledger::AccountId;
use ledger_log::CommandLog;
use ledger_store::{AccountView, Reading};
use ledger_wire::answer::{AccountBody, StatementBody};
use ledger_wire::{FieldFault, Problem};

use crate::answers::{Answer, json, not_found};
use crate::budget;
use crate::door::Door;
use crate::holds::HoldsNow;
use crate::query::parameters;

/// Entries in a stretch of a statement, unless the client asks for fewer or more.
const DEFAULT_LIMIT: usize = 50;
/// The most entries in one stretch: the answer stays far below the 6 MB of a function URL.
const LARGEST_LIMIT: usize = 500;

/// The account as it is now: a hold past its expiry is gone, and its money available, though no command has touched it.
pub(crate) async fn show<L: CommandLog, R: Reading>(
    door: &Door<L, R>,
    request: &Request<Body>,
    id: &str,
) -> Result<Answer, Problem> {
    let [] = parameters(request.uri(), [])?;
    let id = read_id(id)?;
    Ok(match budget::read(door.accounts.account(&id)).await? {
        Some(AccountView { account, updated_at }) => {
            json(StatusCode::OK, &AccountBody::new(&account.at((door.clock)()), updated_at))
        }
        None => no_account(&id),
    })
}

/// The account's book, the newest entry first, `limit` entries from `cursor` on.
pub(crate) async fn statement<L: CommandLog, R: Reading>(
    door: &Door<L, R>,
    request: &Request<Body>,
    id: &str,
) -> Result<Answer, Problem> {
    let [limit, cursor] = parameters(request.uri(), ["limit", "cursor"])?;
    let (id, limit, before) = (read_id(id)?, read_limit(limit.as_deref())?, read_cursor(cursor.as_deref())?);
    let reading = async {
        let Some(outcomes) = door.accounts.statement(&id, before, limit).await? else { return Ok(None) };
        let oldest = outcomes.last().map_or(1, |outcome| outcome.entry.sequence);
        let holds = HoldsNow::of(door, &outcomes).await?;
        Ok(Some((outcomes.iter().map(|outcome| holds.tell(outcome)).collect(), oldest)))
    };
    Ok(match budget::read(reading).await? {
        Some((transactions, oldest)) => {
            json(StatusCode::OK, &StatementBody { transactions, next: (oldest > 1).then(|| oldest.to_string()) })
        }
        None => no_account(&id),
    })
}

fn read_id(id: &str) -> Result<AccountId, FieldFault> {
    id.parse().map_err(|rule| FieldFault::new("id", rule))
}

fn read_limit(text: Option<&str>) -> Result<usize, FieldFault> {
    match text.map(str::parse) {
        None => Ok(DEFAULT_LIMIT),
        Some(Ok(limit @ 1..=LARGEST_LIMIT)) => Ok(limit),
        Some(_) => Err(FieldFault::new("limit", format_args!("must be a whole number from 1 to {LARGEST_LIMIT}"))),
    }
}

/// A cursor is the sequence number that the next stretch stays below.
fn read_cursor(text: Option<&str>) -> Result<Option<u64>, FieldFault> {
    text.map(|text| text.parse().map_err(|_| FieldFault::new("cursor", "must be the `next` of an earlier answer")))
        .transpose()
}

fn no_account(id: &AccountId) -> Answer {
    not_found(format!("there is no account {id}; a first deposit opens it"))
}
