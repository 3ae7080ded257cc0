//! Where the store is and how it is spoken to, from environment variables.
//!
//! | variable | meaning |
//! |---|---|
//! | `MONGODB_URI` | a connection string of a replica set or a sharded cluster; required |
//! | `MONGODB_DATABASE` | `passbook` unless told |
//! | `AWS_LAMBDA_MAX_CONCURRENCY` | as many connections as requests at once, 2 to 100; 10 unless told. Lambda sets it where it applies |
//! | `IDEMPOTENCY_KEY_LIFETIME_DAYS` | for whoever settles: 1 to 36500, 30 unless told |
//! | `FIRST_DEPOSIT_OPENS_ACCOUNT` | for whoever settles: `true` unless told |
//! | `ACCEPT_WRITERS_TIME` | for whoever settles: `false` unless told |

use std::time::Duration;

use ledger::Policy;

use mongodb::options::ConnectionString;
use variables::Variables;

use crate::store::Terms;

/// The names of the databases MongoDB keeps for itself, and the characters it does not take.
const RESERVED_DATABASES: [&str; 3] = ["admin", "local", "config"];
const DAY_SECONDS: u64 = 24 * 60 * 60;
const MOST_DAYS: u64 = 36_500;
const DEFAULT_POOL: u32 = 10;
const URI: &str = "MONGODB_URI";
const DATABASE: &str = "MONGODB_DATABASE";
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

impl StoreConfig {
    pub fn new(uri: impl Into<String>, database: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            database: database.into(),
            app_name: "passbook".to_owned(),
            max_pool_size: DEFAULT_POOL,
            server_selection_timeout: Duration::from_secs(3),
            terms: Terms::default(),
        }
    }

    /// Reads the variables above; nothing where one of them is wrong.
    pub fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let uri = read_uri(variables);
        let database = variables.text(DATABASE).unwrap_or_else(|| "passbook".to_owned());
        if let Some(problem) = problem_with_database(&database) {
            variables.fault(DATABASE, problem, "name another database");
        }
        let requests = variables.number("AWS_LAMBDA_MAX_CONCURRENCY", 1..=u64::MAX, DEFAULT_POOL.into());
        let terms = read_terms(variables);
        let mut config = Self { terms: terms?, ..Self::new(uri?, database) };
        config.max_pool_size = requests?.clamp(2, 100) as u32;
        Some(config)
    }
}

fn read_uri(variables: &mut Variables<'_>) -> Option<String> {
    let fix = "set it to a connection string such as mongodb://127.0.0.1:27017/?replicaSet=rs0";
    let Some(uri) = variables.text(URI) else {
        variables.fault(URI, "is missing, so there are no books to settle into", fix);
        return None;
    };
    match ConnectionString::parse(&uri) {
        Ok(_) => Some(uri),
        Err(error) => {
            variables.fault(URI, format_args!("is not a connection string: {}", error.kind), fix);
            None
        }
    }
}

fn read_terms(variables: &mut Variables<'_>) -> Option<Terms> {
    let unless_told = Terms::default();
    let policy = unless_told.policy;
    let days = variables.number("IDEMPOTENCY_KEY_LIFETIME_DAYS", 1..=MOST_DAYS, days_of(policy.key_lifetime));
    let opens = variables.flag("FIRST_DEPOSIT_OPENS_ACCOUNT", policy.first_deposit_opens_account);
    let accepts = variables.flag("ACCEPT_WRITERS_TIME", unless_told.accepts_writers_time);
    let policy = Policy { key_lifetime: Duration::from_secs(days? * DAY_SECONDS), first_deposit_opens_account: opens? };
    Some(Terms { policy, accepts_writers_time: accepts? })
}

const fn days_of(time: Duration) -> u64 {
    time.as_secs() / DAY_SECONDS
}

fn problem_with_database(name: &str) -> Option<String> {
    if RESERVED_DATABASES.contains(&name) {
        return Some(format!("is {name}, which MongoDB keeps for itself"));
    }
    let fits = name.len() < 64 && !name.contains(FORBIDDEN_IN_DATABASES);
    (!fits).then(|| "is up to 63 bytes without blanks or any of /\\.\"$*<>:|?".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(DAY_SECONDS);

    fn read(set: &[(&str, &str)]) -> Result<StoreConfig, variables::Problems> {
        let lookup = |name: &str| set.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned());
        variables::read_from(lookup, StoreConfig::read)
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
            assert_eq!(problem.variable, *variable, "{problem}");
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
