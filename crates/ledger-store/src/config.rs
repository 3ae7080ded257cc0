//! Where the store is and how it is spoken to. Nonsense is refused at the door, all of it at once.

use std::fmt;
use std::time::Duration;

use ledger::Policy;
use mongodb::options::ConnectionString;

/// The names of the databases MongoDB keeps for itself, and the characters it does not take.
const RESERVED_DATABASES: [&str; 3] = ["admin", "local", "config"];
const FORBIDDEN_IN_DATABASES: &[char] = &['/', '\\', '.', ' ', '"', '$', '*', '<', '>', ':', '|', '?', '\0'];

#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// A connection string of a replica set or a sharded cluster.
    pub uri: String,
    pub database: String,
    /// What the server's log calls this client.
    pub app_name: String,
    /// The topic whose fences tell whether a transaction has been settled.
    pub command_topic: String,
    pub max_pool_size: u32,
    /// How long a call waits for a server that can take it, before it says that there is none.
    pub server_selection_timeout: Duration,
    /// How long an idempotency key is remembered.
    pub key_lifetime: Duration,
    pub policy: Policy,
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
            command_topic: "passbook.commands".to_owned(),
            max_pool_size: 10,
            server_selection_timeout: Duration::from_secs(3),
            key_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            policy: Policy::default(),
        }
    }

    /// Reads `MONGODB_URI`, `MONGODB_DATABASE` (default `passbook`) and `AWS_LAMBDA_MAX_CONCURRENCY` (as many
    /// connections as requests at once; Lambda sets it where it applies).
    ///
    /// # Errors
    /// All that is missing or wrong, at once.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigProblems> {
        let set = |name| lookup(name).filter(|value| !value.is_empty());
        let mut problems = Vec::new();
        let uri = set("MONGODB_URI").unwrap_or_else(|| {
            problems.push("MONGODB_URI is not set; it is a connection string such as mongodb://127.0.0.1:27017".into());
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
    }

    #[test]
    fn all_problems_are_named_at_once() {
        let problems = read(&[("MONGODB_DATABASE", "a.b"), ("AWS_LAMBDA_MAX_CONCURRENCY", "none")]).unwrap_err();
        assert_eq!(problems.0.len(), 3, "{problems}");
        for (problem, variable) in
            problems.0.iter().zip(["MONGODB_URI", "MONGODB_DATABASE", "AWS_LAMBDA_MAX_CONCURRENCY"])
        {
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
