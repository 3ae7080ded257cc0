//! `cargo lambda watch`: the same functions, compiled again at every edit.
//!
//! It knows no template, so the variables template.yaml gives to the functions are given here; a test compares them. It
//! starts `cargo run --bin FUNCTION` with what it has in its own environment, one for both functions.

use super::{Part, Probe, Stop, args, lambda_local::Parameters, loopback};
use crate::prepare::build;
use crate::workspace::Workspace;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const NAME: &str = "cargo-lambda";

/// What template.yaml says without a parameter, of either function.
const CONSTANTS: [(&str, &str); 3] = [DATABASE, ("RUST_LOG", "info"), ("APPEND_TIMEOUT_MS", "5000")];
/// Where the books are.
pub(crate) const DATABASE: (&str, &str) = ("MONGODB_DATABASE", "passbook");

pub(crate) fn part(workspace: &Workspace, program: PathBuf, port: u16, parameters: &Parameters) -> Part {
    let port_text = port.to_string();
    // Release, so that the dependencies `up` has compiled serve here too.
    let words = ["lambda", "watch", "--release", "-A", "127.0.0.1", "-P", &port_text];
    let mut env = variables(parameters);
    env.push((build::TARGET.to_owned(), workspace.target().display().to_string()));
    env.extend(build::flags().map(|(name, flags)| (name.to_owned(), flags)));
    Part {
        name: NAME,
        program,
        args: args(words),
        env,
        dir: Some(workspace.root().to_owned()),
        address: format!("http://127.0.0.1:{port}"),
        ready: Probe::Port(loopback(port)),
        ready_within: Duration::from_secs(120),
        stop: Stop::terminate(10),
        forgets: false,
    }
}

/// The functions' environment where no template is read: the template's, and over it what `--env` says.
pub(crate) fn variables(parameters: &Parameters) -> Vec<(String, String)> {
    let addresses =
        [("KAFKA_BOOTSTRAP_SERVERS", parameters.brokers.as_str()), ("MONGODB_URI", parameters.mongo.as_str())];
    let of_template = addresses.into_iter().chain(CONSTANTS).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let told = parameters.env.iter().filter_map(|assignment| assignment.split_once('='));
    of_template.chain(told.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    /// `NAME: value` below every `Variables:` of the template, as text; its indentation is its structure. Of an `!If` it
    /// is the last value: its condition does not hold on one machine.
    fn variables_of(template: &str) -> BTreeMap<String, String> {
        let depth = |line: &str| line.len() - line.trim_start().len();
        let mut found = BTreeMap::new();
        let mut lines = template.lines().peekable();
        while let Some(line) = lines.next() {
            while line.trim() == "Variables:"
                && let Some(variable) = lines.next_if(|next| depth(next) > depth(line))
            {
                let (name, mut value) = variable.trim().split_once(": ").unwrap();
                while let Some(deeper) = lines.next_if(|next| depth(next) > depth(variable)) {
                    value = deeper.trim().trim_start_matches("- ");
                }
                if let Some(choice) = value.strip_prefix("!If [") {
                    value = choice.trim_end_matches(']').rsplit_once(", ").unwrap().1;
                }
                found.insert(name.to_owned(), value.trim_matches('"').to_owned());
            }
        }
        found
    }

    #[test]
    fn the_functions_get_what_the_template_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
        let template = fs::read_to_string(path).unwrap();
        let parameters = Parameters {
            brokers: "broker".into(),
            mongo: "mongo".into(),
            one_request_per_environment: true,
            env: vec!["RUST_LOG=debug".into()],
        };
        let given: BTreeMap<String, String> = variables(&parameters).into_iter().collect();
        let wanted = variables_of(&template);
        assert!(wanted.len() > 5, "{wanted:?}");
        for (name, value) in &wanted {
            let given = given.get(name).map(String::as_str);
            match (name.as_str(), value.strip_prefix("!Ref ")) {
                ("RUST_LOG", _) => assert_eq!(given, Some("debug"), "--env is over the template"),
                (_, Some("KafkaBootstrapServers")) => assert_eq!(given, Some("broker")),
                (_, Some("MongoUri")) => assert_eq!(given, Some("mongo")),
                (_, Some("MongoDatabase")) => assert_eq!(given, Some("passbook")),
                (name, Some(parameter)) => assert_eq!((parameter, given), ("AWS::NoValue", None), "{name}"),
                (name, None) => assert_eq!(given, Some(value.as_str()), "{name}"),
            }
        }
        assert!(given.keys().all(|name| wanted.contains_key(name)), "{given:?}");
    }
}
