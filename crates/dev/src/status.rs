//! `cargo dev status`: what runs where, the functions' execution environments among the parts.

mod environments;

use crate::cli::DataArgs;
use crate::exit;
use crate::operator::Operator;
use crate::stack::StackFile;
use crate::up::settles;
use crate::workspace::Workspace;
use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    stack: DataArgs,
    /// For programs: {"url":…,"ready":true,"parts":[{"name":…,"pid":…,"address":…,"log":…}]}
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Status {
    /// Empty when nothing runs.
    url: String,
    ready: bool,
    /// The partitions of the log that were not settled any further when the stack came up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stuck: Vec<u16>,
    parts: Vec<PartStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PartStatus {
    pub(crate) name: String,
    /// Nothing while it is being started again, or when it runs elsewhere.
    pub(crate) pid: Option<u32>,
    pub(crate) address: String,
    pub(crate) log: Option<String>,
}

/// Exits 0 when the stack is ready to take requests, else 1.
pub(crate) fn run(workspace: &Workspace, args: &StatusArgs) -> Result<ExitCode> {
    let dir = workspace.stack_dir(args.stack.data.as_deref())?;
    let file = StackFile::read(&dir)?;
    let mut status = file.as_ref().map(status).unwrap_or_default();
    if let Some(file) = file.filter(|_| !status.stuck.is_empty()) {
        status.look_again(&Operator::new(workspace, &file.brokers, &file.mongo));
    }
    if args.json {
        println!("{}", serde_json::to_string(&status)?);
    } else if !status.url.is_empty() {
        print(&status);
    } else {
        println!("Nothing runs in {}; `cargo dev up` starts it.", dir.root().display());
    }
    Ok(exit::when(status.ready))
}

impl Status {
    /// What was stuck when the stack came up may have got on since; while nobody can tell, it is.
    fn look_again(&mut self, operator: &Operator) {
        if let Ok(lag) = operator.lag() {
            self.stuck =
                lag.partitions.iter().filter(|found| found.state == "stuck").map(|found| found.partition).collect();
            self.ready = self.stuck.is_empty();
        }
    }
}

fn status(file: &StackFile) -> Status {
    if file.supervisor_alive().is_none() {
        return Status::default();
    }
    Status { url: file.url.clone(), ready: file.ready, stuck: file.stuck.clone(), parts: parts(file) }
}

/// What is recorded of the parts and, of the functions, what lambda-local says now.
pub(crate) fn parts(file: &StackFile) -> Vec<PartStatus> {
    let mut parts: Vec<PartStatus> = file
        .parts
        .iter()
        .map(|part| PartStatus {
            name: part.name.clone(),
            pid: part.process.filter(|process| process.is_alive()).map(|process| process.pid),
            address: part.address.clone(),
            log: part.log.clone(),
        })
        .collect();
    parts.extend(environments::of(file));
    parts
}

fn print(status: &Status) {
    let word = if status.ready { "ready" } else { "not ready" };
    println!("{}  {word}\n", status.url);
    if !status.stuck.is_empty() {
        println!("{} stuck: `passbook lag` and `cargo dev logs settler` say more\n", settles::named(&status.stuck));
    }
    let longest = status.parts.iter().map(|part| part.address.len()).max().unwrap_or_default();
    println!("{:<14} {:>8}  {:<longest$}  LOG", "PART", "PID", "ADDRESS");
    for part in &status.parts {
        let pid = part.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        println!("{:<14} {pid:>8}  {:<longest$}  {}", part.name, part.address, part.log.as_deref().unwrap_or("-"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Identity;
    use crate::stack::PartRecord;

    fn file(supervisor: Option<Identity>) -> StackFile {
        let process = supervisor;
        let part = PartRecord { name: "mongod".into(), process, address: "a".into(), log: Some("l".into()) };
        StackFile {
            url: "http://localhost:1".into(),
            ready: true,
            supervisor,
            parts: vec![part],
            ..StackFile::default()
        }
    }

    #[test]
    fn the_json_has_the_promised_names() {
        let me = Identity::of_this_process().unwrap();
        let json = serde_json::to_string(&status(&file(Some(me)))).unwrap();
        let part = format!(r#"{{"name":"mongod","pid":{},"address":"a","log":"l"}}"#, me.pid);
        assert_eq!(json, format!(r#"{{"url":"http://localhost:1","ready":true,"parts":[{part}]}}"#));
    }

    #[test]
    fn without_its_supervisor_nothing_is_ready() {
        let me = Identity::of_this_process().unwrap();
        let gone = Identity { started: me.started + 1, ..me };
        assert_eq!(status(&file(Some(gone))), Status::default());
        assert_eq!(status(&file(None)), Status::default());
    }
}
