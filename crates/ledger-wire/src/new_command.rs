//! What a client asks for, before it has a place in the log.
//!
//! A body and a record are read by the same steps, in the order of the [grammar](crate::grammar)'s fields: which kind it is;
//! whether every field is one of its own; whether each is there, or has a default; whether its value is of the right sort
//! and within its bounds. What is then left is to make types of text.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use ledger::{AccountId, Action, Amount, Currency, IdempotencyKey, Kind, Money, Position, Reference, TransactionId};
use serde::de::DeserializeSeed as _;

use crate::fault::FieldFault;
use crate::grammar::{Field, Form, Presence, Values, fields_of};
use crate::said::{Given, Object, Said};

/// A command before it has a place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommand {
    pub account: AccountId,
    pub action: Action,
    pub reference: Option<Reference>,
    pub idempotency_key: Option<IdempotencyKey>,
}

impl NewCommand {
    /// Reads the body of a request. The idempotency key comes with a header, so the caller adds it.
    ///
    /// A byte order mark before the JSON is passed over, as RFC 8259, section 8.1, allows.
    ///
    /// # Errors
    /// The first fault found, with its field.
    pub fn from_body(bytes: &[u8]) -> Result<Self, FieldFault> {
        Self::read(read_body(bytes)?, Form::Body)
    }

    /// Reads what an object says; a record's idempotency key stands outside of it.
    pub(crate) fn read(mut said: Said<'_>, form: Form) -> Result<Self, FieldFault> {
        let kind = kind_of(&said)?;
        check_fields(&mut said, kind, form)?;
        let account: AccountId = parsed(&said, Field::Account)?;
        let action = action_of(kind, &account, &said, form)?;
        let reference = said.get(Field::Reference).map(|_| parsed(&said, Field::Reference)).transpose()?;
        Ok(Self { account, action, reference, idempotency_key: None })
    }

    /// What a record says of it, every default written out.
    pub(crate) fn said(&self) -> Said<'_> {
        let mut said = Said::default();
        for (field, _) in fields_of(self.action.kind()) {
            said.set(*field, self.given(*field));
        }
        said
    }

    fn given(&self, field: Field) -> Option<Given<'_>> {
        let text = |text| Given::Text(Cow::Borrowed(text));
        Some(match (field, &self.action) {
            (Field::Type, action) => text(action.kind().name()),
            (Field::Account, _) => text(self.account.as_str()),
            (Field::Amount, action) => Given::Number(action.money()?.amount.minor_units().into()),
            (Field::Currency, action) => text(action.money()?.currency.code()),
            (Field::ExpiresInSeconds, Action::WithdrawalRequest { expires_in_seconds, .. }) => {
                Given::Number((*expires_in_seconds).into())
            }
            (Field::Request, action) => Given::Text(action.request()?.to_string().into()),
            (Field::Final, Action::Capture { is_final, .. }) => Given::Flag(*is_final),
            (Field::Reference, _) => text(self.reference.as_ref()?.as_str()),
            (Field::ExpiresInSeconds | Field::Final, _) => return None,
        })
    }
}

fn read_body(bytes: &[u8]) -> Result<Said<'_>, FieldFault> {
    if bytes.is_empty() {
        return Err(FieldFault::whole("the body is empty; send a JSON object such as {\"type\":\"deposit\",…}"));
    }
    let text = std::str::from_utf8(bytes).map_err(|fault| {
        let at = fault.valid_up_to();
        FieldFault::whole(format_args!("the body is not UTF-8 from byte {at} on; send JSON in UTF-8"))
    })?;
    let mut at = None;
    let mut json = serde_json::Deserializer::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let read = Object { at: &mut at }.deserialize(&mut json);
    read.and_then(|said| json.end().map(|()| said)).map_err(|fault| match at {
        Some(name) => FieldFault::new(&name, format_args!("cannot be read: {fault}")),
        None => FieldFault::whole(format_args!("the body is not a JSON object: {fault}")),
    })
}

fn kind_of(said: &Said<'_>) -> Result<Kind, FieldFault> {
    let known = || format!("must be one of {}", Kind::ALL.map(Kind::name).join(", "));
    match said.get(Field::Type) {
        Some(Given::Text(name)) => Kind::from_name(name).ok_or_else(|| fault(Field::Type, known())),
        None | Some(Given::Null) => Err(fault(Field::Type, format_args!("is missing; it {}", known()))),
        Some(other) => Err(fault(Field::Type, format_args!("{}, not {}", known(), other.kind()))),
    }
}

fn check_fields(said: &mut Said<'_>, kind: Kind, form: Form) -> Result<(), FieldFault> {
    if let Some(oddity) = &said.oddity {
        return Err(oddity.fault(&format!("a {kind}")));
    }
    let rules = fields_of(kind);
    let is_foreign = |field: &Field| rules.iter().all(|(known, _)| known != field);
    if let Some(field) = said.fields().map(|(field, _)| field).find(is_foreign) {
        return Err(fault(field, format_args!("is not a field of a {kind}; leave it out")));
    }
    for (field, presence) in rules {
        complete(said, *field, *presence, form)?;
        if let Some(value) = said.get(*field) {
            check_value(*field, value)?;
        }
    }
    Ok(())
}

/// Sees to it that a field is there if it has to be, and only if it may.
fn complete(said: &mut Said<'_>, field: Field, presence: Presence, form: Form) -> Result<(), FieldFault> {
    if form == Form::Body && said.get(field) == Some(&Given::Null) {
        said.set(field, None);
    }
    let default = match presence {
        Presence::Optional => return Ok(()),
        Presence::Required => None,
        Presence::Default(default) => Some(default),
        Presence::DefaultWithRequest(default) if said.get(Field::Request).is_some() => Some(default),
        Presence::DefaultWithRequest(_) if said.get(field).is_none() => return Ok(()),
        Presence::DefaultWithRequest(_) => {
            return Err(fault(field, "goes with request only; name the request or leave it out"));
        }
    };
    match (said.get(field), default.filter(|_| form == Form::Body)) {
        (Some(_), _) => {}
        (None, Some(default)) => said.set(field, Some(default.into())),
        (None, None) => return Err(missing(field)),
    }
    Ok(())
}

fn check_value(field: Field, value: &Given<'_>) -> Result<(), FieldFault> {
    let sort = match (field.values(), value) {
        (Values::Whole { least, most, rule }, Given::Number(number)) => {
            let is_within = number.as_i64().is_some_and(|number| (least..=most).contains(&number));
            return if is_within { Ok(()) } else { Err(fault(field, format_args!("{rule}, not {number}"))) };
        }
        (Values::Whole { .. }, _) => "a number",
        (Values::Flag, Given::Flag(_)) => return Ok(()),
        (Values::Flag, _) => "true or false",
        (_, Given::Text(_)) => return Ok(()),
        (Values::Kind | Values::AccountId | Values::Currency | Values::Request | Values::Text { .. }, _) => "a string",
    };
    Err(fault(field, format_args!("must be {sort}, not {}", value.kind())))
}

fn action_of(kind: Kind, account: &AccountId, said: &Said<'_>, form: Form) -> Result<Action, FieldFault> {
    let request = || said.get(Field::Request).map(|_| request_of(account, said, form)).transpose();
    Ok(match kind {
        Kind::Deposit => {
            let money = money_of(said)?;
            if form == Form::Body {
                money.currency.check_current().map_err(|rule| fault(Field::Currency, rule))?;
            }
            Action::Deposit(money)
        }
        Kind::WithdrawalRequest => {
            let seconds = whole(said, Field::ExpiresInSeconds)?;
            let expires_in_seconds = seconds.try_into().map_err(|_| missing(Field::ExpiresInSeconds))?;
            Action::WithdrawalRequest { money: money_of(said)?, expires_in_seconds }
        }
        Kind::Withdrawal => match (request()?, said.get(Field::Final)) {
            (Some(request), is_final) => {
                let is_final = is_final == Some(&Given::Flag(true));
                Action::Capture { request, money: money_of(said)?, is_final }
            }
            (None, _) => Action::Withdrawal(money_of(said)?),
        },
        Kind::Release => Action::Release { request: request()?.ok_or_else(|| missing(Field::Request))? },
    })
}

fn money_of(said: &Said<'_>) -> Result<Money, FieldFault> {
    let amount = Amount::new(whole(said, Field::Amount)?).map_err(|rule| fault(Field::Amount, rule))?;
    Ok(Money { amount, currency: parsed::<Currency>(said, Field::Currency)? })
}

fn request_of(account: &AccountId, said: &Said<'_>, form: Form) -> Result<Position, FieldFault> {
    match form {
        Form::Record => parsed(said, Field::Request),
        Form::Body => {
            let id: TransactionId = parsed(said, Field::Request)?;
            if id.account == *account {
                return Ok(id.position);
            }
            let whose = format_args!("is a withdrawal_request of {}, not of {account}", id.account);
            Err(fault(Field::Request, whose))
        }
    }
}

fn whole(said: &Said<'_>, field: Field) -> Result<i64, FieldFault> {
    match said.get(field) {
        Some(Given::Number(number)) => number.as_i64().ok_or_else(|| missing(field)),
        _ => Err(missing(field)),
    }
}

fn parsed<T: FromStr<Err: Display>>(said: &Said<'_>, field: Field) -> Result<T, FieldFault> {
    match said.get(field) {
        Some(Given::Text(text)) => text.parse().map_err(|rule| fault(field, rule)),
        _ => Err(missing(field)),
    }
}

fn missing(field: Field) -> FieldFault {
    fault(field, "is missing")
}

fn fault(field: Field, detail: impl Display) -> FieldFault {
    FieldFault::new(field.name(), detail)
}

#[cfg(test)]
mod tests;
