use aws_sdk_kafka::types::NodeInfo;
use serde::Serialize;

/// A broker of a provisioned cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    pub broker: Option<i32>,
    pub instance_type: Option<String>,
    pub kafka_version: Option<String>,
    pub endpoints: Vec<String>,
    pub subnet: Option<String>,
    pub address: Option<String>,
}

/// The brokers by their number; ZooKeeper's nodes and controllers, which no client speaks to, are left out.
pub(super) fn of<'a>(nodes: impl Iterator<Item = &'a NodeInfo>) -> Vec<Node> {
    let mut brokers: Vec<_> = nodes.filter_map(broker).collect();
    brokers.sort_by_key(|node| node.broker);
    brokers
}

fn broker(node: &NodeInfo) -> Option<Node> {
    let broker = node.broker_node_info()?;
    let software = broker.current_broker_software_info();
    Some(Node {
        // A whole number that the API writes as a fraction.
        broker: broker.broker_id().map(|id| id as i32),
        instance_type: node.instance_type().map(str::to_owned),
        kafka_version: software.and_then(|software| software.kafka_version()).map(str::to_owned),
        endpoints: broker.endpoints().to_vec(),
        subnet: broker.client_subnet().map(str::to_owned),
        address: broker.client_vpc_ip_address().map(str::to_owned),
    })
}
