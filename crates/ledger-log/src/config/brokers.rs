use crate::msk::{ClusterArn, NotAClusterArn};
use variables::Variables;

const ADDRESSES: &str = "KAFKA_BOOTSTRAP_SERVERS";
const CLUSTER_ARN: &str = "MSK_CLUSTER_ARN";

/// Where to find the brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Brokers {
    /// `host:port`, separated by commas.
    Addresses(String),
    MskCluster(ClusterArn),
}

impl Brokers {
    pub(super) fn read(variables: &mut Variables<'_>) -> Option<Self> {
        match (variables.text(ADDRESSES), variables.text(CLUSTER_ARN)) {
            (Some(addresses), None) => addresses_of(variables, &addresses),
            (None, Some(arn)) => match arn.parse() {
                Ok(arn) => Some(Self::MskCluster(arn)),
                Err(problem) => {
                    variables.fault(CLUSTER_ARN, problem, NotAClusterArn::FIX);
                    None
                }
            },
            (None, None) => {
                variables.fault(
                    ADDRESSES,
                    "is missing, so there is no log to write to",
                    format_args!("set it to the brokers as host:port, separated by commas, or set {CLUSTER_ARN}"),
                );
                None
            }
            (Some(_), Some(_)) => {
                variables.fault(CLUSTER_ARN, format_args!("is set beside {ADDRESSES}"), "set one of the two");
                None
            }
        }
    }
}

fn addresses_of(variables: &mut Variables<'_>, text: &str) -> Option<Brokers> {
    let addresses: Vec<_> = text.split(',').map(str::trim).filter(|address| !address.is_empty()).collect();
    let wrong: Vec<_> = addresses.iter().filter(|address| !is_address(address)).collect();
    if addresses.is_empty() || !wrong.is_empty() {
        let named = wrong.first().map_or(text, |address| **address);
        variables.fault(
            ADDRESSES,
            format_args!("{named:?} is not an address"),
            "write host:port, such as 127.0.0.1:9092",
        );
        return None;
    }
    Some(Brokers::Addresses(addresses.join(",")))
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}
