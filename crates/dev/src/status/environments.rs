//! The functions' execution environments, as lambda-local's `GET /status` lists them.

use super::PartStatus;
use crate::http;
use crate::part::lambda_local;
use crate::stack::StackFile;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Runtime {
    functions: Vec<Function>,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
    environments: Vec<Environment>,
}

#[derive(Debug, Deserialize)]
struct Environment {
    id: String,
    pid: Option<u32>,
    log: Option<String>,
}

pub(crate) fn of(file: &StackFile) -> Vec<PartStatus> {
    file.parts.iter().filter(|part| lambda_local::is_one(&part.name)).flat_map(|part| at(&part.address)).collect()
}

/// Nothing while lambda-local does not answer.
fn at(address: &str) -> Vec<PartStatus> {
    let answer = http::get(&format!("{address}/status"));
    let runtime = answer.ok().and_then(|answer| serde_json::from_value::<Runtime>(answer).ok());
    runtime.map(|runtime| list(&runtime, address)).unwrap_or_default()
}

/// An environment has no address of its own; its function has.
fn list(runtime: &Runtime, address: &str) -> Vec<PartStatus> {
    let environments = |function: &Function| -> Vec<PartStatus> {
        let address = format!("{address}/2015-03-31/functions/{}/invocations", function.name);
        let part = |environment: &Environment| PartStatus {
            name: environment.id.clone(),
            pid: environment.pid,
            address: address.clone(),
            log: environment.log.clone(),
        };
        function.environments.iter().map(part).collect()
    };
    runtime.functions.iter().flat_map(environments).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_are_read_as_lambda_local_prints_them() {
        let said = r#"{"functions":[{"name":"api","max_concurrency":64,"environments":[
            {"id":"api/1","pid":123,"state":"idle","in_flight":0,"log":"/l/api.log"}]}],
            "event_sources":[],"not_supported":["x"]}"#;
        let runtime: Runtime = serde_json::from_str(said).unwrap();
        let expected = PartStatus {
            name: "api/1".into(),
            pid: Some(123),
            address: "http://h:1/2015-03-31/functions/api/invocations".into(),
            log: Some("/l/api.log".into()),
        };
        assert_eq!(list(&runtime, "http://h:1"), [expected]);
    }
}
