//! The life of a supervised stack: clear what is left of the last one, start, watch, drain, stop.

mod bring_up;
mod drain;

use super::plan::{BrokerPlan, Plan};
use super::{Functions, UpArgs, detached};
use crate::exit::Interrupted;
use crate::part::nginx;
use crate::process::Identity;
use crate::say;
use crate::stack::{Lock, StackFile, hold};
use crate::supervise::{Events, Supervisor, orphans};
use crate::workspace::{StackDir, Workspace};
use anyhow::{Context, Result, bail};
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

/// `starting` is given back as soon as this process holds the stack.
pub(crate) fn supervise(
    workspace: &Workspace,
    dir: &StackDir,
    args: &UpArgs,
    functions: Functions,
    starting: Option<Lock>,
) -> Result<ExitCode> {
    let Some(_lock) = hold(&dir.lock_file())? else {
        bail!("another `cargo dev` holds the stack in {}", dir.root().display());
    };
    drop(starting);
    let began = Instant::now();
    let events = Events::with_signals()?;
    check_is_for_a_stack(dir)?;
    let last = clear(dir, args)?;
    let plan = Plan::make(dir, args, functions, &last)?;
    let mut supervisor = Supervisor::new(dir.clone(), stack_file(&plan, &last), events);
    supervisor.write_file()?;
    let started = bring_up::bring_up(workspace, dir, args, functions, &plan, &mut supervisor);
    if let Err(error) = started {
        // What fails once a person has pressed Ctrl-C fails for that reason.
        let error = if supervisor.was_asked() { Interrupted.into() } else { error };
        stop_after_failure(&mut supervisor, &error)?;
        return Err(error);
    }
    announce(dir, &plan, began, &supervisor.file.stuck);
    let signal = match supervisor.watch() {
        Ok(signal) => signal,
        Err(error) => {
            stop_after_failure(&mut supervisor, &error)?;
            return Err(error);
        }
    };
    say::print(format_args!("\n{} received: stopping", signal.as_str()));
    drain::stop_taking_requests(&mut supervisor)?;
    drain::settle_the_rest(workspace, &mut supervisor);
    supervisor.stop_all()?;
    farewell(&mut supervisor)?;
    say::print(format_args!("Stopped; {}", what_stays(&plan)));
    Ok(ExitCode::SUCCESS)
}

/// Ports of parts that do not run this time stay remembered: their data may be wanted again.
fn stack_file(plan: &Plan, last: &StackFile) -> StackFile {
    let mut ports = last.ports.clone();
    ports.extend(plan.ports());
    StackFile {
        url: nginx::url(plan.nginx),
        ready: false,
        stuck: Vec::new(),
        supervisor: Identity::of_this_process(),
        brokers: plan.brokers.clone(),
        mongo: plan.mongo_uri.clone(),
        ports,
        parts: Vec::new(),
    }
}

/// A stack writes, and with `--fresh` removes, folders with everyday names. It does so only where a stack has been, or
/// where no such folder is.
fn check_is_for_a_stack(dir: &StackDir) -> Result<()> {
    let foreign = [dir.mongo(), dir.kafka(), dir.nginx()].into_iter().find(|folder| folder.exists());
    match foreign {
        Some(folder) if !dir.stack_file().exists() => bail!(
            "{} is there, but no stack was ever started in {}; name an empty directory with --data",
            folder.display(),
            dir.root().display()
        ),
        _ => Ok(()),
    }
}

/// Ends what a killed supervisor left, throws data away when asked to, and puts the logs of last time aside.
fn clear(dir: &StackDir, args: &UpArgs) -> Result<StackFile> {
    let last = if args.fresh { StackFile::read(dir).ok().flatten() } else { StackFile::read(dir)? };
    let last = last.unwrap_or_default();
    orphans::end(dir, &last);
    fs::create_dir_all(dir.logs()).with_context(|| format!("cannot make {}", dir.logs().display()))?;
    if args.fresh {
        for data in [dir.mongo(), dir.kafka(), dir.nginx()].iter().filter(|data| data.exists()) {
            fs::remove_dir_all(data).with_context(|| format!("cannot remove {}", data.display()))?;
        }
    }
    put_logs_aside(dir)?;
    Ok(last)
}

/// One earlier run is kept, as `<part>.log.1`. The supervisor's own log is being written already.
fn put_logs_aside(dir: &StackDir) -> Result<()> {
    let own = dir.log(detached::LOG);
    for entry in fs::read_dir(dir.logs())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") && path != own {
            fs::rename(&path, path.with_extension("log.1"))?;
        }
    }
    Ok(())
}

fn stop_after_failure(supervisor: &mut Supervisor, error: &anyhow::Error) -> Result<()> {
    if !error.is::<Interrupted>() {
        say::print(format_args!("This cannot go on; stopping what was started."));
    }
    supervisor.stop_all()?;
    farewell(supervisor)
}

fn farewell(supervisor: &mut Supervisor) -> Result<()> {
    supervisor.file.ready = false;
    supervisor.file.stuck.clear();
    supervisor.file.supervisor = None;
    supervisor.file.parts.clear();
    supervisor.write_file()
}

fn announce(dir: &StackDir, plan: &Plan, began: Instant, stuck: &[u16]) {
    let url = nginx::url(plan.nginx);
    let word = if stuck.is_empty() { "ready" } else { "up, but not ready" };
    say::print(format_args!("\nPassbook is {word}: {url}  ({})\n", say::seconds(began.elapsed())));
    say::print(format_args!("  curl -i {url}/transaction -H 'content-type: application/json' \\"));
    say::print(format_args!(
        "    -d '{{\"type\":\"deposit\",\"account\":\"bob\",\"amount\":2500,\"currency\":\"EUR\"}}'"
    ));
    say::print(format_args!("  curl {url}/accounts/bob"));
    if let Some(port) = plan.nginx_tls {
        let certificate = nginx::Certificate::of(dir).certificate;
        say::print(format_args!("  curl --cacert {} https://localhost:{port}/accounts/bob", certificate.display()));
    }
    say::print("");
    say::print(format_args!("Ctrl-C or `cargo dev down` settles what is in the log and stops it."));
    super::settles::complain(dir, stuck);
}

fn what_stays(plan: &Plan) -> &'static str {
    match (plan.broker, plan.mongod) {
        (BrokerPlan::Tansu(_), _) => "the accounts are kept, the embedded broker has forgotten its log",
        _ => "the money is where it was: `cargo dev up` starts again on the same data",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_somebody_elses_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StackDir::at(temp.path().to_owned());
        assert!(check_is_for_a_stack(&dir).is_ok());
        fs::create_dir(dir.nginx()).unwrap();
        assert!(check_is_for_a_stack(&dir).unwrap_err().to_string().contains("no stack was ever started"));
        fs::write(dir.stack_file(), "{}").unwrap();
        assert!(check_is_for_a_stack(&dir).is_ok());
    }
}
