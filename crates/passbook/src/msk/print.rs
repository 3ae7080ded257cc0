//! A description for a person to read.

use ledger_log::{ClusterDescription, Node, TopicHealth, WayIn};

use super::{Described, Teller, Topics};
use crate::table::table;

pub(super) fn text(described: &Described) -> String {
    let parts = [
        Some(cluster(&described.cluster)),
        described.ways_in.as_deref().map(ways_in),
        described.nodes.as_deref().and_then(nodes),
        described.topics.as_ref().map(topics),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
}

/// A line for each thing that is known.
fn cluster(cluster: &ClusterDescription) -> String {
    let lines = [
        ("cluster", Some(cluster.name.clone())),
        ("arn", Some(cluster.arn.clone())),
        ("state", Some(state(cluster))),
        ("type", Some(cluster.kind.to_lowercase())),
        ("created", cluster.created_at.clone()),
        ("kafka", kafka(cluster)),
        ("brokers", brokers(cluster)),
        ("storage", storage(cluster)),
        ("encryption", encryption(cluster)),
        ("sign-in", Some(cluster.authentication.join(", "))),
    ];
    let known =
        lines.into_iter().filter_map(|(name, value)| Some((name, value?))).filter(|(_, value)| !value.is_empty());
    known.map(|(name, value)| format!("{name:<12}{value}")).collect::<Vec<_>>().join("\n")
}

fn state(cluster: &ClusterDescription) -> String {
    let action = cluster.action_status.as_deref().filter(|status| *status != "NONE").map(str::to_owned);
    let parts = [Some(cluster.state.clone()), cluster.state_reason.clone(), action];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn kafka(cluster: &ClusterDescription) -> Option<String> {
    let version = cluster.kafka_version.as_ref()?;
    let configuration = cluster.configuration.as_ref().map(|configuration| format!(", {configuration}"));
    Some(format!("{version}{}", configuration.unwrap_or_default()))
}

fn brokers(cluster: &ClusterDescription) -> Option<String> {
    let brokers = cluster.brokers.as_ref()?;
    let count = brokers.count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    let instance_type = brokers.instance_type.as_deref().unwrap_or("unknown");
    Some(format!("{count} of {instance_type}, in {}", brokers.subnets.join(", ")))
}

fn storage(cluster: &ClusterDescription) -> Option<String> {
    let storage = cluster.storage.as_ref()?;
    let parts = [
        storage.gib_per_broker.map(|gib| format!("{gib} GiB a broker")),
        storage.throughput.map(|mib| format!("{mib} MiB/s")),
        storage.mode.as_deref().map(str::to_lowercase),
    ];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn encryption(cluster: &ClusterDescription) -> Option<String> {
    let encryption = cluster.encryption.as_ref()?;
    let parts = [
        encryption.client_broker.as_ref().map(|how| format!("{how} between clients and brokers")),
        encryption.in_cluster.map(|is| format!("{} between brokers", if is { "TLS" } else { "PLAINTEXT" })),
        encryption.at_rest.as_ref().map(|key| format!("stored with {key}")),
    ];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn ways_in(ways: &[WayIn]) -> String {
    if ways.is_empty() {
        return "AWS tells no brokers yet".to_owned();
    }
    let rows = ways
        .iter()
        .map(|way| [way.authentication.name().to_owned(), way.reach.name().to_owned(), way.brokers.join(",")]);
    table(["sign-in", "from", "brokers"], &rows.collect::<Vec<_>>())
}

fn nodes(nodes: &[Node]) -> Option<String> {
    let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    let rows = nodes.iter().map(|node| {
        let number = node.broker.map_or_else(|| "?".to_owned(), |broker| broker.to_string());
        let rest = [&node.instance_type, &node.kafka_version, &node.address, &node.subnet].map(told);
        let [instance_type, kafka, address, subnet] = rest;
        [number, instance_type, kafka, address, subnet, node.endpoints.join(",")]
    });
    let heads = ["broker", "type", "kafka", "address", "subnet", "endpoint"];
    (!nodes.is_empty()).then(|| table(heads, &rows.collect::<Vec<_>>()))
}

fn topics(topics: &Topics) -> String {
    let rows: Vec<_> = topics.topics.iter().map(topic).collect();
    let teller = match topics.told_by {
        Teller::Aws => "as AWS tells it, up to a minute late",
        Teller::Brokers => "as the brokers tell it",
    };
    format!("{}\n({teller})", table(["topic", "partitions", "copies", "health"], &rows))
}

fn topic(topic: &TopicHealth) -> [String; 4] {
    let troubles = topic.troubles();
    let health = if troubles.is_empty() { "good".to_owned() } else { troubles.join("; ") };
    let [partitions, copies] = [topic.partitions.len(), topic.replication_factor()].map(|number| number.to_string());
    [topic.topic.clone(), partitions, copies, health]
}
