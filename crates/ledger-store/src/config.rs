//! Where the store is and how it is spoken to. Nonsense is refused at the door, all of it at once.

use std::fmt;
use std::time::Duration;

use mongodb::options::ConnectionString;

use crate::store::Terms;

/// The names of the databases MongoDB keeps for itself, and the characters it does not take.
const RESERVED_DATABASES: [&str; 3] = ["admin", "local", "config"];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MOST_DAYS: u32 = 36_500;
const FORBIDDEN_IN_DATABASES: &[char] = &['/', '\\', '.', ' ', '"', '$', '*', '<', '>', ':', '|', '?', '\0'];

#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// A connection string of a replica set or a sharded cluster.
    pub uri: String,
    pub database: String,
    /// What the server's log calls this client.
    pub app_name: String,
    pub max_pool_size: u32,
    /// How long a call waits for a server that can take it, before it says that there is none.
    pub server_selection_timeout: Duration,
    pub terms: Terms,
}

/// Everything that is wrong with the environment, one line a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblems(pub Vec<String>);

impl std::error::Error for ConfigProblems {}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl StoreConfig {
    pub fn new(uri: impl Into<String>, database: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            database: database.into(),
            app_name: "passbook".to_owned(),
            max_pool_size: 10,
            server_selection_timeout: Duration::from_secs(3),
            terms: Terms::default(),
        }
    }

    /// Reads `MONGODB_URI`, `MONGODB_DATABASE` (default `passbook`), `AWS_LAMBDA_MAX_CONCURRENCY` (as many connections as
    /// requests at once; Lambda sets it where it applies), and, for whoever settles, `IDEMPOTENCY_KEY_LIFETIME_DAYS`
    /// (default 30), `FIRST_DEPOSIT_OPENS_ACCOUNT` (default `true`) and `ACCEPT_WRITERS_TIME` (default `false`).
    ///
    /// # Errors
    /// All that is missing or wrong, at once.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigProblems> {
        let set = |name| lookup(name).filter(|value| !value.is_empty());
        let mut problems = Vec::new();
        let uri = set("MONGODB_URI").unwrap_or_else(|| {
            problems.push(
                "MONGODB_URI is not set; it is a connection string such as mongodb://127.0.0.1:27017/?replicaSet=rs0"
                    .into(),
            );
            String::new()
        });
        if let (false, Err(error)) = (uri.is_empty(), ConnectionString::parse(&uri)) {
            problems.push(format!("MONGODB_URI is not a connection string: {}", error.kind));
        }
        let database = set("MONGODB_DATABASE").unwrap_or_else(|| "passbook".to_owned());
        problems.extend(problem_with_database(&database));
        let mut config = Self::new(uri, database);
        match set("AWS_LAMBDA_MAX_CONCURRENCY").map(|text| text.parse::<u32>()) {
            Some(Ok(concurrency @ 1..)) => config.max_pool_size = concurrency.clamp(2, 100),
            Some(_) => problems.push("AWS_LAMBDA_MAX_CONCURRENCY is not a number from 1 on".to_owned()),
            None => {}
        }
        match set("IDEMPOTENCY_KEY_LIFETIME_DAYS").map(|text| text.parse::<u32>()) {
            Some(Ok(days @ 1..=MOST_DAYS)) => config.terms.policy.key_lifetime = days * DAY,
            Some(_) => problems.push(format!("IDEMPOTENCY_KEY_LIFETIME_DAYS is not a number from 1 to {MOST_DAYS}")),
            None => {}
        }
        for (name, flag) in [
            ("FIRST_DEPOSIT_OPENS_ACCOUNT", &mut config.terms.policy.first_deposit_opens_account),
            ("ACCEPT_WRITERS_TIME", &mut config.terms.accepts_writers_time),
        ] {
            match set(name).map(|text| text.parse()) {
                Some(Ok(is_set)) => *flag = is_set,
                Some(Err(_)) => problems.push(format!("{name} is neither true nor false")),
                None => {}
            }
        }
        if problems.is_empty() { Ok(config) } else { Err(ConfigProblems(problems)) }
    }
}

fn problem_with_database(name: &str) -> Option<String> {
    if RESERVED_DATABASES.contains(&name) {
        return Some(format!("MONGODB_DATABASE is {name}, which MongoDB keeps for itself"));
    }
    let fits = name.len() < 64 && !name.contains(FORBIDDEN_IN_DATABASES);
    (!fits).then(|| "MONGODB_DATABASE is up to 63 bytes without blanks or any of /\\.\"$*<>:|?".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<StoreConfig, ConfigProblems> {
        StoreConfig::from_lookup(|name| {
            variables.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_address_is_enough() {
        let config = read(&[("MONGODB_URI", "mongodb://127.0.0.1:27017")]).unwrap();
        assert_eq!(config.database, "passbook");
        assert_eq!(config.max_pool_size, 10);
        assert_eq!(
            (config.terms.policy.key_lifetime, config.terms.policy.first_deposit_opens_account),
            (30 * DAY, true)
        );
    }

    #[test]
    fn what_an_operator_decides_is_read() {
        let config = read(&[
            ("MONGODB_URI", "mongodb://127.0.0.1:27017"),
            ("IDEMPOTENCY_KEY_LIFETIME_DAYS", "7"),
            ("FIRST_DEPOSIT_OPENS_ACCOUNT", "false"),
        ])
        .unwrap();
        assert_eq!(
            (config.terms.policy.key_lifetime, config.terms.policy.first_deposit_opens_account),
            (7 * DAY, false)
        );
        for days in ["0", "-1", "36501", "seven"] {
            assert!(
                read(&[("MONGODB_URI", "mongodb://h"), ("IDEMPOTENCY_KEY_LIFETIME_DAYS", days)]).is_err(),
                "{days}"
            );
        }
    }

    #[test]
    fn all_problems_are_named_at_once() {
        let wrong = [
            ("MONGODB_DATABASE", "a.b"),
            ("AWS_LAMBDA_MAX_CONCURRENCY", "none"),
            ("IDEMPOTENCY_KEY_LIFETIME_DAYS", "0"),
            ("FIRST_DEPOSIT_OPENS_ACCOUNT", "maybe"),
        ];
        let problems = read(&wrong).unwrap_err();
        assert_eq!(problems.0.len(), 5, "{problems}");
        let variables = wrong.map(|(variable, _)| variable);
        for (problem, variable) in problems.0.iter().zip(["MONGODB_URI"].iter().chain(&variables)) {
            assert!(problem.starts_with(variable), "{problem}");
        }
    }

    #[test]
    fn an_address_of_something_else_is_refused() {
        for uri in ["http://127.0.0.1", "mongodb://", "127.0.0.1:27017"] {
            assert!(read(&[("MONGODB_URI", uri)]).unwrap_err().to_string().starts_with("MONGODB_URI"), "{uri}");
        }
        assert!(read(&[("MONGODB_URI", "mongodb://h"), ("MONGODB_DATABASE", "admin")]).is_err());
    }
}
