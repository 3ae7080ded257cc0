//! What `api` is told by its environment, beside where the log and the store are.
//!
//! | variable | meaning |
//! |---|---|
//! | `AWS_LAMBDA_MAX_CONCURRENCY` | how many requests an environment takes at once; 1 unless told. Lambda sets it where it applies |
//! | `READY_OLDEST_UNSETTLED_SECONDS` | how long the oldest unsettled command may wait before `/ready` says so: 1 to 86400, 60 unless told |

use std::time::Duration;

use ledger_log::LogConfig;
use ledger_store::StoreConfig;
use variables::Variables;

use crate::budget::LONGEST_APPEND;

/// The longest that a command may be borne to wait: a day.
const LONGEST_BORNE_SECONDS: u64 = 86_400;

/// All that `api` reads of its environment.
#[derive(Debug)]
pub struct Settings {
    pub log: LogConfig,
    pub store: StoreConfig,
    pub requests_at_once: usize,
    pub oldest_borne: Duration,
}

impl Settings {
    /// Reads the variables; nothing where one of them is wrong.
    pub fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let (log, store) = (LogConfig::read(variables), StoreConfig::read(variables));
        if let Some(log) = &log {
            check_append_timeout(variables, log.append_timeout());
        }
        let requests_at_once = variables.number("AWS_LAMBDA_MAX_CONCURRENCY", 1..=u64::MAX, 1);
        let oldest_borne = variables.number("READY_OLDEST_UNSETTLED_SECONDS", 1..=LONGEST_BORNE_SECONDS, 60);
        Some(Self {
            log: log?,
            store: store?,
            requests_at_once: usize::try_from(requests_at_once?).unwrap_or(usize::MAX),
            oldest_borne: Duration::from_secs(oldest_borne?),
        })
    }
}

/// An append that could outlast the function would take down with it whatever else its environment does.
fn check_append_timeout(variables: &mut Variables<'_>, append: Duration) {
    if append > LONGEST_APPEND {
        let problem = format_args!("{} ms may outlast the function's time-out of 10 s", append.as_millis());
        variables.fault("APPEND_TIMEOUT_MS", problem, format_args!("set at most {}", LONGEST_APPEND.as_millis()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: [(&str, &str); 2] =
        [("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"), ("MONGODB_URI", "mongodb://127.0.0.1:27017")];

    fn read(set: &[(&str, &str)]) -> Result<Settings, variables::Problems> {
        let lookup = |name: &str| set.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned());
        variables::read_from(lookup, Settings::read)
    }

    #[test]
    fn where_the_log_and_the_store_are_is_enough() {
        let settings = read(&PLACES).unwrap();
        assert_eq!((settings.requests_at_once, settings.oldest_borne), (1, Duration::from_secs(60)));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let problems = read(&[
            ("APPEND_TIMEOUT_MS", "soon"),
            ("AWS_LAMBDA_MAX_CONCURRENCY", "0"),
            ("READY_OLDEST_UNSETTLED_SECONDS", "86401"),
        ]);
        let said: Vec<_> = problems.unwrap_err().0.iter().map(|problem| problem.variable).collect();
        for variable in
            ["KAFKA_BOOTSTRAP_SERVERS", "APPEND_TIMEOUT_MS", "MONGODB_URI", "READY_OLDEST_UNSETTLED_SECONDS"]
        {
            assert!(said.contains(&variable), "{variable} in {said:?}");
        }
    }

    #[test]
    fn an_append_ends_before_the_function_does() {
        let with = |milliseconds| {
            let [log, store] = PLACES;
            read(&[log, store, ("APPEND_TIMEOUT_MS", milliseconds)])
        };
        assert_eq!(with("7000").unwrap().log.append_timeout(), LONGEST_APPEND);
        let problems = with("7001").unwrap_err().to_string();
        assert_eq!(
            problems,
            "APPEND_TIMEOUT_MS: 7001 ms may outlast the function's time-out of 10 s; set at most 7000"
        );
    }
}
