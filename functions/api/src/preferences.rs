//! How long a client would wait: `Prefer: wait=N` (RFC 7240 §4.3) and `?wait=N`.

use std::time::Duration;

use http::HeaderMap;
use http::header::HeaderName;
use ledger_wire::FieldFault;

/// The longest wait granted, in seconds, from the arrival of the request on; with what reading the outcome may then take
/// ([`crate::budget`]) still below the function's time-out of 10 s, so that the answer is never a gateway's.
pub(crate) const LONGEST_WAIT_SECONDS: u64 = 8;

pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The wait that `Prefer` asks for. What it does not understand it ignores, as RFC 7240 §2 wants.
pub(crate) fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .filter_map(|preference| preference.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
        .and_then(|(_, seconds)| seconds.trim().trim_matches('"').parse().ok())
        .map(granted)
}

/// The wait of the query parameter.
///
/// # Errors
/// When it is not a whole number of seconds.
pub(crate) fn asked_wait(text: Option<&str>) -> Result<Option<Duration>, FieldFault> {
    let Some(text) = text else { return Ok(None) };
    let seconds = text.parse().map_err(|_| {
        FieldFault::new("wait", format_args!("is a whole number of seconds, at most {LONGEST_WAIT_SECONDS}"))
    })?;
    Ok(Some(granted(seconds)))
}

fn granted(seconds: u64) -> Duration {
    Duration::from_secs(seconds.min(LONGEST_WAIT_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_of(values: &[&'static str]) -> Option<u64> {
        let headers = values.iter().map(|value| (PREFER, value.parse().unwrap())).collect();
        preferred_wait(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn prefer_may_stand_among_other_preferences() {
        for (values, seconds) in [
            (&["wait=5"][..], Some(5)),
            (&["respond-async, wait=3"], Some(3)),
            (&["handling=lenient", "Wait = 2"], Some(2)),
            (&["wait=100"], Some(LONGEST_WAIT_SECONDS)),
            (&["wait=soon"], None),
            (&["respond-async"], None),
            (&[], None),
        ] {
            assert_eq!(wait_of(values), seconds, "{values:?}");
        }
    }

    #[test]
    fn a_wait_in_the_query_must_be_a_number() {
        assert_eq!(asked_wait(Some("2")).unwrap(), Some(Duration::from_secs(2)));
        assert_eq!(asked_wait(None).unwrap(), None);
        assert_eq!(asked_wait(Some("-1")).unwrap_err().field.as_deref(), Some("wait"));
    }
}
