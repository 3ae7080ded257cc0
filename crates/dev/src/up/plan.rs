//! What a stack will consist of: which parts run here, at which ports, at which addresses the rest is. Decided before
//! anything is started.

use super::{Broker, Functions, UpArgs};
use crate::part::lambda_local::FURTHER_BACK_ENDS;
use crate::part::{kafka, mongod, nginx};
use crate::ports::{self, Ports};
use crate::stack::StackFile;
use crate::workspace::StackDir;
use anyhow::{Result, bail};
use std::collections::BTreeMap;

const USUAL_PORT: u16 = 8080;
const NGINX_TLS: &str = "nginx-tls";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) nginx: u16,
    pub(crate) nginx_tls: Option<u16>,
    /// Where lambda-local listens, or cargo-lambda.
    pub(crate) functions: u16,
    /// Where `api` alone is served, too.
    pub(crate) further_back_ends: Vec<u16>,
    /// Only before cargo-lambda.
    pub(crate) gateway: Option<u16>,
    pub(crate) mongod: Option<u16>,
    pub(crate) mongo_uri: String,
    pub(crate) broker: BrokerPlan,
    pub(crate) brokers: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrokerPlan {
    Kafka { broker: u16, controller: u16 },
    Tansu(u16),
    Elsewhere,
}

impl Plan {
    /// The ports of last time, where they are free; MongoDB's must be.
    pub(crate) fn make(dir: &StackDir, args: &UpArgs, functions: Functions, last: &StackFile) -> Result<Self> {
        let mut ports = Ports::for_stack(dir.root());
        let known = |name: &str| last.ports.get(name).copied();
        let mongod = match args.mongo {
            Some(_) => None,
            None => Some(mongod_port(dir, &mut ports, known(mongod::NAME))?),
        };
        let broker = match args.broker {
            Broker::Kafka => BrokerPlan::Kafka {
                broker: ports.same_or_free(known("kafka"))?,
                controller: ports.same_or_free(known("kafka-controller"))?,
            },
            Broker::Embedded => BrokerPlan::Tansu(ports.same_or_free(known("tansu"))?),
            Broker::At(_) => BrokerPlan::Elsewhere,
        };
        let gateway = match functions {
            Functions::CargoLambda => Some(ports.same_or_free(known("gateway"))?),
            Functions::LambdaLocal => None,
        };
        Ok(Self {
            nginx: nginx_port(&mut ports, args.port, known(nginx::NAME))?,
            nginx_tls: args.tls.map(|asked| asked_port(&mut ports, asked, known(NGINX_TLS), "--tls")).transpose()?,
            functions: ports.same_or_free(known("functions"))?,
            further_back_ends: match functions {
                Functions::LambdaLocal => further_back_ends(args.api_backends)
                    .map(|name| ports.same_or_free(known(name)))
                    .collect::<Result<_>>()?,
                Functions::CargoLambda => Vec::new(),
            },
            gateway,
            mongod,
            mongo_uri: args.mongo.clone().unwrap_or_else(|| mongod.map(mongod::uri).unwrap_or_default()),
            broker,
            brokers: match (&args.broker, broker) {
                (Broker::At(brokers), _) => brokers.clone(),
                (_, BrokerPlan::Kafka { broker, .. } | BrokerPlan::Tansu(broker)) => kafka::address(broker),
                (_, BrokerPlan::Elsewhere) => String::new(),
            },
        })
    }

    pub(crate) fn broker_forgets(&self) -> bool {
        matches!(self.broker, BrokerPlan::Tansu(_))
    }

    /// As remembered for next time.
    pub(crate) fn ports(&self) -> BTreeMap<String, u16> {
        let broker = match self.broker {
            BrokerPlan::Kafka { broker, controller } => vec![("kafka", broker), ("kafka-controller", controller)],
            BrokerPlan::Tansu(port) => vec![("tansu", port)],
            BrokerPlan::Elsewhere => Vec::new(),
        };
        let always = [(nginx::NAME, self.nginx), ("functions", self.functions)];
        let sometimes = [self.gateway.map(|port| ("gateway", port)), self.mongod.map(|port| (mongod::NAME, port))];
        let tls = self.nginx_tls.map(|port| (NGINX_TLS, port));
        let back_ends = FURTHER_BACK_ENDS.into_iter().zip(self.further_back_ends.iter().copied());
        let all = always.into_iter().chain(sometimes.into_iter().flatten()).chain(broker).chain(tls).chain(back_ends);
        all.map(|(name, port)| (name.to_owned(), port)).collect()
    }
}

fn nginx_port(ports: &mut Ports, asked: Option<u16>, last: Option<u16>) -> Result<u16> {
    match (asked, last) {
        (Some(asked), last) => asked_port(ports, asked, last, "--port"),
        (None, last) => free_or_explained(last.unwrap_or(USUAL_PORT), "--port"),
    }
}

fn asked_port(ports: &mut Ports, asked: u16, last: Option<u16>, option: &str) -> Result<u16> {
    if asked == 0 { ports.same_or_free(last) } else { free_or_explained(asked, option) }
}

fn free_or_explained(port: u16, option: &str) -> Result<u16> {
    if ports::is_free(port) {
        return Ok(port);
    }
    bail!("port {port} is taken by another program; choose another with {option} N, or let {option} 0 pick a free one")
}

/// All but the first, by their names.
fn further_back_ends(count: u16) -> impl Iterator<Item = &'static str> {
    FURTHER_BACK_ENDS.into_iter().take(usize::from(count).saturating_sub(1))
}

/// A replica set knows its member by address, so data and port belong together.
fn mongod_port(dir: &StackDir, ports: &mut Ports, last: Option<u16>) -> Result<u16> {
    match last {
        Some(port) if dir.mongo().join("WiredTiger").exists() && !ports::is_free(port) => bail!(
            "port {port}, at which this stack's MongoDB has its data, is taken by another program; \
             end that program, use another --data, or throw the data away with --fresh"
        ),
        _ => ports.same_or_free(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::fs;
    use std::net::TcpListener;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        up: UpArgs,
    }

    fn plan(dir: &StackDir, words: &[&str], last: &StackFile) -> Result<Plan> {
        let words = Words::parse_from([&["up"], words].concat());
        Plan::make(dir, &words.up, Functions::LambdaLocal, last)
    }

    fn empty_dir() -> (tempfile::TempDir, StackDir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = StackDir::at(temp.path().to_owned());
        (temp, dir)
    }

    #[test]
    fn the_ports_of_last_time_are_used_again() {
        let (_temp, dir) = empty_dir();
        let first = plan(&dir, &["--port", "0"], &StackFile::default()).unwrap();
        let last = StackFile { ports: first.ports(), ..StackFile::default() };
        assert_eq!(plan(&dir, &[], &last).unwrap(), first);
        assert_eq!(plan(&dir, &["--port", "0"], &last).unwrap(), first);
    }

    #[test]
    fn what_runs_elsewhere_gets_no_port() {
        let (_temp, dir) = empty_dir();
        let words = ["--port", "0", "--broker", "b:1", "--mongo", "mongodb://m/"];
        let plan = plan(&dir, &words, &StackFile::default()).unwrap();
        assert_eq!((plan.brokers.as_str(), plan.mongo_uri.as_str()), ("b:1", "mongodb://m/"));
        assert_eq!(plan.ports().keys().collect::<Vec<_>>(), ["functions", "nginx"]);
    }

    #[test]
    fn each_back_end_and_tls_have_a_port_of_their_own() {
        let (_temp, dir) = empty_dir();
        let words = ["--port", "0", "--tls", "0", "--api-backends", "3", "--broker", "b:1", "--mongo", "mongodb://m/"];
        let plan = plan(&dir, &words, &StackFile::default()).unwrap();
        let ports = plan.ports();
        let names = ["functions", "lambda-local-2", "lambda-local-3", "nginx", "nginx-tls"];
        assert_eq!(ports.keys().collect::<Vec<_>>(), names);
        assert_eq!(ports.values().collect::<std::collections::HashSet<_>>().len(), names.len());
    }

    #[test]
    fn tls_without_a_port_is_at_the_usual_one() {
        for (words, port) in [(vec![], None), (vec!["--tls"], Some(8443)), (vec!["--tls", "9443"], Some(9443))] {
            let words = Words::parse_from([vec!["up"], words].concat());
            assert_eq!(words.up.tls, port);
        }
    }

    #[test]
    fn a_taken_port_is_explained() {
        let (_temp, dir) = empty_dir();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = plan(&dir, &["--port", &port.to_string()], &StackFile::default()).unwrap_err();
        assert!(error.to_string().contains("--port 0"), "{error}");
    }

    #[test]
    fn data_of_mongodb_stays_at_its_port() {
        let (_temp, dir) = empty_dir();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let ports = [("mongod".to_owned(), taken.local_addr().unwrap().port())].into();
        let last = StackFile { ports, ..StackFile::default() };
        assert!(plan(&dir, &["--port", "0"], &last).is_ok());
        fs::create_dir(dir.mongo()).unwrap();
        fs::write(dir.mongo().join("WiredTiger"), "").unwrap();
        assert!(plan(&dir, &["--port", "0"], &last).unwrap_err().to_string().contains("--fresh"));
    }
}
