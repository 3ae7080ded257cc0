//! `cargo dev env`: where the running stack is, for programs that are told by the environment: `passbook`, `lambda-local
//! invoke`, AWS's command line, a function that is started by hand.

use crate::cli::DataArgs;
use crate::invoke;
use crate::part::cargo_lambda::DATABASE;
use crate::stack::{self, StackFile};
use crate::workspace::Workspace;
use anyhow::Result;
use std::process::ExitCode;

pub(crate) fn run(workspace: &Workspace, args: &DataArgs) -> Result<ExitCode> {
    let dir = workspace.stack_dir(args.data.as_deref())?;
    for (name, value) in variables(&stack::running(&dir)?)? {
        println!("export {name}={}", quoted(&value));
    }
    Ok(ExitCode::SUCCESS)
}

fn variables(stack: &StackFile) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("PASSBOOK_URL", stack.url.clone()),
        ("KAFKA_BOOTSTRAP_SERVERS", stack.brokers.clone()),
        ("MONGODB_URI", stack.mongo.clone()),
        (DATABASE.0, DATABASE.1.to_owned()),
        // Of AWS's SDKs and command line ("Service-specific endpoints").
        ("AWS_ENDPOINT_URL_LAMBDA", invoke::endpoint(stack)?.to_owned()),
    ])
}

/// For a POSIX shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::lambda_local;
    use crate::stack::PartRecord;

    #[test]
    fn where_things_are_is_told_to_a_shell() {
        let part = PartRecord { name: lambda_local::NAME.into(), process: None, address: "http://l".into(), log: None };
        let stack = StackFile { mongo: "mongodb://m/?a=1&b='".into(), parts: vec![part], ..StackFile::default() };
        let variables = variables(&stack).unwrap();
        assert!(variables.contains(&("AWS_ENDPOINT_URL_LAMBDA", "http://l".to_owned())), "{variables:?}");
        assert_eq!(quoted(&stack.mongo), r"'mongodb://m/?a=1&b='\'''");
    }
}
