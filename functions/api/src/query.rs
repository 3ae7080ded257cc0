//! The parameters of a query: each address knows its own, and takes each once.

use http::Uri;
use ledger_wire::FieldFault;

/// The values of the parameters that an address knows, decoded.
///
/// # Errors
/// Names a parameter that it does not know, with those it does, and one that stands there twice.
pub(crate) fn parameters<const N: usize>(uri: &Uri, known: [&str; N]) -> Result<[Option<String>; N], FieldFault> {
    let mut values = [const { None }; N];
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        let Some(place) = known.iter().position(|known| *known == name) else { return Err(unknown(&name, &known)) };
        if values[place].replace(value.into_owned()).is_some() {
            return Err(FieldFault::new(&name, "stands more than once; send it once"));
        }
    }
    Ok(values)
}

fn unknown(name: &str, known: &[&str]) -> FieldFault {
    let known = if known.is_empty() { "takes none".to_owned() } else { format!("takes {}", known.join(" and ")) };
    FieldFault::new(name, format_args!("is no parameter here; this address {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(query: &'static str) -> (String, String) {
        let fault = parameters(&Uri::from_static(query), ["limit", "cursor"]).expect_err(query);
        (fault.field.unwrap(), fault.detail)
    }

    #[test]
    fn an_address_takes_what_it_knows_once() {
        let read = |query| parameters(&Uri::from_static(query), ["limit", "cursor"]).unwrap();
        assert_eq!(read("/x"), [None, None]);
        assert_eq!(read("/x?"), [None, None]);
        assert_eq!(read("/x?cursor=a%20b&limit=5"), [Some("5".to_owned()), Some("a b".to_owned())]);
        for (query, field) in
            [("/x?page=2", "page"), ("/x?Limit=5", "Limit"), ("/x?limit=1&limit=1", "limit"), ("/x?=", "")]
        {
            assert_eq!(fault(query).0, field);
        }
        assert_eq!(fault("/x?page=2").1, "page: is no parameter here; this address takes limit and cursor");
        let none = parameters(&Uri::from_static("/x?a=1"), []).unwrap_err();
        assert_eq!(none.detail, "a: is no parameter here; this address takes none");
    }
}
