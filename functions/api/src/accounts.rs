//! `GET /accounts/{id}` and `GET /accounts/{id}/transactions`.

use http::{Request, StatusCode};
use lambda_http::Body;
use ledger::AccountId;
use ledger_store::{AccountView, Reading};
use ledger_wire::FieldFault;
use ledger_wire::answer::{AccountBody, OutcomeBody, StatementBody};

use crate::answers::{Answer, json, not_found, problem};
use crate::budget;
use crate::door::Door;
use crate::query::parameter;

/// Entries in a stretch of a statement, unless the client asks for fewer or more.
const DEFAULT_LIMIT: usize = 50;
/// The most entries in one stretch: the answer stays far below the 6 MB of a function URL.
const LARGEST_LIMIT: usize = 500;

/// The account as it is now: a hold past its expiry is gone, and its money available, though no command has touched it.
pub(crate) async fn show<R: Reading>(door: &Door<R>, id: &str) -> Answer {
    let id = match read_id(id) {
        Ok(id) => id,
        Err(fault) => return problem(&fault.into()),
    };
    match budget::read(door.accounts.account(&id)).await {
        Ok(Some(AccountView { account, updated_at })) => {
            json(StatusCode::OK, &AccountBody::new(&account.at((door.clock)()), updated_at))
        }
        Ok(None) => no_account(&id),
        Err(fault) => problem(&fault),
    }
}

/// The account's book, the newest entry first, `limit` entries from `cursor` on.
pub(crate) async fn statement<R: Reading>(door: &Door<R>, request: &Request<Body>, id: &str) -> Answer {
    let parameter = |name| parameter(request.uri(), name);
    let asked = read_id(id).and_then(|id| {
        Ok((id, read_limit(parameter("limit").as_deref())?, read_cursor(parameter("cursor").as_deref())?))
    });
    let (id, limit, before) = match asked {
        Ok(asked) => asked,
        Err(fault) => return problem(&fault.into()),
    };
    match budget::read(door.accounts.statement(&id, before, limit)).await {
        Ok(Some(outcomes)) => {
            let oldest = outcomes.last().map_or(1, |outcome| outcome.entry.sequence);
            let body = StatementBody {
                transactions: outcomes.iter().map(OutcomeBody::from).collect(),
                next: (oldest > 1).then(|| oldest.to_string()),
            };
            json(StatusCode::OK, &body)
        }
        Ok(None) => no_account(&id),
        Err(fault) => problem(&fault),
    }
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
