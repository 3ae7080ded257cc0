//! Starts the parts in the order they need each other, and ends with a first deposit settled, and every partition.

use super::super::plan::{BrokerPlan, Plan};
use super::super::{Functions, UpArgs, first_deposit, settles};
use crate::operator::Operator;
use crate::part::lambda_local::{FURTHER_BACK_ENDS, Parameters, poller};
use crate::part::{cargo_lambda, gateway, kafka, lambda_local, mongod, nginx, tansu};
use crate::prepare::{self, Pinned};
use crate::say::{self, Step};
use crate::stack::PartRecord;
use crate::supervise::Supervisor;
use crate::workspace::{StackDir, Workspace};
use anyhow::{Context, Result};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// A broker accepts connections a moment before it answers everything.
const STORES_ANSWER_WITHIN: Duration = Duration::from_secs(60);

pub(crate) fn bring_up(
    workspace: &Workspace,
    dir: &StackDir,
    args: &UpArgs,
    functions: Functions,
    plan: &Plan,
    supervisor: &mut Supervisor,
) -> Result<()> {
    stores(workspace, dir, plan, supervisor)?;
    schema(workspace, args, plan, supervisor)?;
    let parameters = Parameters {
        brokers: plan.brokers.clone(),
        mongo: plan.mongo_uri.clone(),
        one_request_per_environment: args.one_request_per_environment,
        env: variables(args, plan),
    };
    let behind = match functions {
        Functions::LambdaLocal => run_functions(workspace, dir, plan, &parameters, supervisor)?,
        Functions::CargoLambda => watch_functions(workspace, plan, &parameters, supervisor)?,
    };
    let front = nginx::Front { port: plan.nginx, tls: plan.nginx_tls, settings: &args.nginx };
    nginx::prepare(workspace, dir, &front, &behind)?;
    supervisor.launch(nginx::part(dir, plan.nginx)?)?;
    supervisor.await_ready(nginx::NAME)?;
    first_deposit::settle(supervisor, &nginx::url(plan.nginx), functions)?;
    supervisor.file.stuck =
        settles::every_partition(supervisor, &Operator::new(workspace, &plan.brokers, &plan.mongo_uri))?;
    supervisor.check_start()?;
    supervisor.file.ready = supervisor.file.stuck.is_empty();
    supervisor.write_file()
}

/// MongoDB and the broker start at the same time.
fn stores(workspace: &Workspace, dir: &StackDir, plan: &Plan, supervisor: &mut Supervisor) -> Result<()> {
    match plan.mongod {
        Some(port) => {
            fs::create_dir_all(dir.mongo()).with_context(|| format!("cannot make {}", dir.mongo().display()))?;
            supervisor.launch(mongod::part(prepare::path(workspace, Pinned::Mongod), port, &dir.mongo()))?;
        }
        None => elsewhere(supervisor, mongod::NAME, without_password(&plan.mongo_uri)),
    }
    match plan.broker {
        BrokerPlan::Kafka { broker, controller } => {
            let jars = prepare::path(workspace, Pinned::Kafka);
            let place = kafka::Place { jars, dir: dir.kafka(), broker, controller };
            kafka::prepare(&place)?;
            supervisor.launch(kafka::part(&place)?)?;
        }
        BrokerPlan::Tansu(port) => supervisor.launch(tansu::part(prepare::path(workspace, Pinned::Tansu), port))?,
        BrokerPlan::Elsewhere => elsewhere(supervisor, kafka::NAME, plan.brokers.clone()),
    }
    if plan.mongod.is_some() {
        supervisor.await_ready(mongod::NAME)?;
    }
    match plan.broker {
        BrokerPlan::Kafka { .. } => supervisor.await_ready(kafka::NAME),
        BrokerPlan::Tansu(_) => supervisor.await_ready(tansu::NAME),
        BrokerPlan::Elsewhere => Ok(()),
    }
}

/// A part somebody else runs is shown, never touched.
fn elsewhere(supervisor: &mut Supervisor, name: &str, address: String) {
    say::line(name, format!("{address}, not started here"));
    supervisor.file.parts.push(PartRecord { name: name.to_owned(), process: None, address, log: None });
}

/// `mongodb://user:secret@host/…` without what stands before the @.
fn without_password(uri: &str) -> String {
    match uri.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host)),
        None => uri.to_owned(),
    }
}

/// Replica set, indexes and topics, by the operator's command line.
fn schema(workspace: &Workspace, args: &UpArgs, plan: &Plan, supervisor: &mut Supervisor) -> Result<()> {
    let operator = Operator::new(workspace, &plan.brokers, &plan.mongo_uri);
    let step = Step::begin("store", "replica set and indexes");
    step.done(patiently(supervisor, || operator.make_store(plan.mongod.is_some()))?);
    let step = Step::begin("topics", "making them, unless they are there");
    step.done(patiently(supervisor, || operator.make_topics(args.partitions))?);
    if plan.broker_forgets() {
        say::line("tansu", "keeps the log in memory only: when it ends, what is not settled is lost");
        let partitions = args.partitions;
        let make_topics = move || {
            let step = Step::begin("topics", "making them again");
            step.done(operator.make_topics(partitions)?);
            Ok(())
        };
        supervisor.on_loss(lambda_local::all(), Box::new(make_topics));
    }
    Ok(())
}

/// What it said, on one line, after as many tries as it takes.
fn patiently(supervisor: &mut Supervisor, mut ask: impl FnMut() -> Result<String>) -> Result<String> {
    let deadline = Instant::now() + STORES_ANSWER_WITHIN;
    loop {
        supervisor.check_start()?;
        match ask() {
            Ok(said) => return Ok(said.lines().collect::<Vec<_>>().join("; ")),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(200)),
        }
    }
}

fn run_functions(
    workspace: &Workspace,
    dir: &StackDir,
    plan: &Plan,
    parameters: &Parameters,
    supervisor: &mut Supervisor,
) -> Result<nginx::Behind> {
    supervisor.launch(lambda_local::part(workspace, dir, plan.functions, parameters))?;
    let further = || FURTHER_BACK_ENDS.into_iter().zip(plan.further_back_ends.iter().copied());
    for (name, port) in further() {
        supervisor.launch(lambda_local::further_back_end(name, workspace, dir, port, parameters))?;
    }
    supervisor.await_ready(lambda_local::NAME)?;
    further().try_for_each(|(name, _)| supervisor.await_ready(name))?;
    let ports = [plan.functions].into_iter().chain(plan.further_back_ends.iter().copied());
    Ok(nginx::Behind::lambda_local(ports.collect()))
}

fn watch_functions(
    workspace: &Workspace,
    plan: &Plan,
    parameters: &Parameters,
    supervisor: &mut Supervisor,
) -> Result<nginx::Behind> {
    let Some(gateway_port) = plan.gateway else { anyhow::bail!("no port was planned for the gateway") };
    let program = prepare::path(workspace, Pinned::CargoLambda);
    supervisor.launch(cargo_lambda::part(workspace, program, plan.functions, parameters))?;
    supervisor.await_ready(cargo_lambda::NAME)?;
    let invoke = lambda_local::url(plan.functions);
    supervisor.launch(gateway::part(workspace, gateway_port, &format!("{invoke}/lambda-url/api")))?;
    supervisor.await_ready(gateway::NAME)?;
    supervisor.launch(poller(workspace, &invoke, parameters))?;
    supervisor.await_ready(lambda_local::POLLER)?;
    Ok(nginx::Behind::gateway(gateway_port))
}

/// What the functions are told beside what the template says. The embedded broker knows no time of its own: it takes that of
/// whoever writes a record.
fn variables(args: &UpArgs, plan: &Plan) -> Vec<String> {
    let writers_time = matches!(plan.broker, BrokerPlan::Tansu(_)).then(|| "ACCEPT_WRITERS_TIME=true".to_owned());
    writers_time.into_iter().chain(args.env.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        for (uri, shown) in [
            ("mongodb://u:p@h:1/db", "mongodb://h:1/db"),
            ("mongodb+srv://u:p%40@h/", "mongodb+srv://h/"),
            ("mongodb://h:1,i:2/?replicaSet=r", "mongodb://h:1,i:2/?replicaSet=r"),
        ] {
            assert_eq!(without_password(uri), shown);
        }
    }
}
