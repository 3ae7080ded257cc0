use aws_sdk_kafka::primitives::DateTimeFormat;
use aws_sdk_kafka::types::{Cluster, EncryptionInfo, Provisioned, Serverless};
use serde::Serialize;

/// A cluster as AWS describes it. What AWS leaves out, or does not tell of this kind of cluster, is nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterDescription {
    pub name: String,
    pub arn: String,
    /// `ACTIVE`, `CREATING`, `HEALING`, …
    pub state: String,
    /// Why it is in that state.
    pub state_reason: Option<String>,
    /// `PROVISIONED` or `SERVERLESS`.
    pub kind: String,
    pub created_at: Option<String>,
    /// Nothing for a serverless cluster, whose version is AWS's own business; so are its brokers and its storage.
    pub kafka_version: Option<String>,
    /// The settings the brokers were given: an ARN and its revision.
    pub configuration: Option<String>,
    pub brokers: Option<BrokerGroup>,
    pub storage: Option<Storage>,
    pub encryption: Option<Encryption>,
    /// The ways for a client to show who it is that are turned on.
    pub authentication: Vec<&'static str>,
    /// What AWS would have the owner do: `NONE`, `ACTION_RECOMMENDED`, `CRITICAL_ACTION_REQUIRED`.
    pub action_status: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokerGroup {
    pub count: Option<i32>,
    pub instance_type: Option<String>,
    pub subnets: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Storage {
    pub gib_per_broker: Option<i32>,
    /// In MiB a second, where it is paid for.
    pub throughput: Option<i32>,
    /// `LOCAL` or `TIERED`.
    pub mode: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Encryption {
    /// The key of what is stored.
    pub at_rest: Option<String>,
    /// Between clients and brokers: `TLS`, `TLS_PLAINTEXT` or `PLAINTEXT`.
    pub client_broker: Option<String>,
    /// Between brokers.
    pub in_cluster: Option<bool>,
}

const IAM: &str = "SASL/IAM";
const SCRAM: &str = "SASL/SCRAM";
const CERTIFICATE: &str = "TLS client certificate";
const NONE: &str = "unauthenticated";

pub(super) fn of(cluster: &Cluster) -> ClusterDescription {
    let provisioned = cluster.provisioned();
    let software = provisioned.and_then(Provisioned::current_broker_software_info);
    ClusterDescription {
        name: cluster.cluster_name().unwrap_or_default().to_owned(),
        arn: cluster.cluster_arn().unwrap_or_default().to_owned(),
        state: cluster.state().map_or_else(|| "unknown".to_owned(), ToString::to_string),
        state_reason: state_reason(cluster),
        kind: cluster.cluster_type().map_or_else(|| "unknown".to_owned(), ToString::to_string),
        created_at: cluster.creation_time().and_then(|time| time.fmt(DateTimeFormat::DateTime).ok()),
        kafka_version: software.and_then(|software| software.kafka_version()).map(str::to_owned),
        configuration: software.and_then(|software| {
            let revision = software.configuration_revision().unwrap_or_default();
            Some(format!("{} revision {revision}", software.configuration_arn()?))
        }),
        brokers: provisioned.map(broker_group),
        storage: provisioned.map(storage),
        encryption: provisioned.and_then(Provisioned::encryption_info).map(encryption),
        authentication: authentication(provisioned, cluster.serverless()),
        action_status: provisioned.and_then(Provisioned::customer_action_status).map(ToString::to_string),
    }
}

fn state_reason(cluster: &Cluster) -> Option<String> {
    let info = cluster.state_info()?;
    let parts: Vec<_> = [info.code(), info.message()].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(": "))
}

fn broker_group(provisioned: &Provisioned) -> BrokerGroup {
    let group = provisioned.broker_node_group_info();
    BrokerGroup {
        count: provisioned.number_of_broker_nodes(),
        instance_type: group.and_then(|group| group.instance_type()).map(str::to_owned),
        subnets: group.map(|group| group.client_subnets().to_vec()).unwrap_or_default(),
    }
}

fn storage(provisioned: &Provisioned) -> Storage {
    let group = provisioned.broker_node_group_info();
    let volume = group.and_then(|group| group.storage_info()).and_then(|storage| storage.ebs_storage_info());
    let throughput = volume.and_then(|volume| volume.provisioned_throughput());
    Storage {
        gib_per_broker: volume.and_then(|volume| volume.volume_size()),
        throughput: throughput
            .filter(|throughput| throughput.enabled() == Some(true))
            .and_then(|throughput| throughput.volume_throughput()),
        mode: provisioned.storage_mode().map(ToString::to_string),
    }
}

fn encryption(info: &EncryptionInfo) -> Encryption {
    let transit = info.encryption_in_transit();
    Encryption {
        at_rest: info.encryption_at_rest().and_then(|rest| rest.data_volume_kms_key_id()).map(str::to_owned),
        client_broker: transit.and_then(|transit| transit.client_broker()).map(ToString::to_string),
        in_cluster: transit.and_then(|transit| transit.in_cluster()),
    }
}

fn authentication(provisioned: Option<&Provisioned>, serverless: Option<&Serverless>) -> Vec<&'static str> {
    let offered = provisioned.and_then(Provisioned::client_authentication);
    let sasl = offered.and_then(|offered| offered.sasl());
    let serverless_sasl = serverless.and_then(Serverless::client_authentication).and_then(|offered| offered.sasl());
    let iam = sasl.and_then(|sasl| sasl.iam()).or_else(|| serverless_sasl.and_then(|sasl| sasl.iam()));
    let ways = [
        (IAM, iam.and_then(|iam| iam.enabled())),
        (SCRAM, sasl.and_then(|sasl| sasl.scram()).and_then(|scram| scram.enabled())),
        (CERTIFICATE, offered.and_then(|offered| offered.tls()).and_then(|tls| tls.enabled())),
        (NONE, offered.and_then(|offered| offered.unauthenticated()).and_then(|nobody| nobody.enabled())),
    ];
    ways.into_iter().filter(|(_, enabled)| *enabled == Some(true)).map(|(name, _)| name).collect()
}
