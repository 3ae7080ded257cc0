use aws_sdk_kafka::operation::get_bootstrap_brokers::GetBootstrapBrokersOutput;
use serde::{Serialize, Serializer};

/// One of the ways to speak to a cluster's brokers: each has its own port, and a list of brokers to begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WayIn {
    pub authentication: Authentication,
    pub reach: Reach,
    /// `host:port` of each.
    pub brokers: Vec<String>,
}

/// How a client shows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// Not at all, and nothing is encrypted.
    Plaintext,
    /// With a certificate where the cluster wants one, over TLS.
    Tls,
    /// With a name and a password, over TLS.
    Scram,
    /// With a token that AWS credentials sign, over TLS.
    Iam,
}

/// From where the brokers can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Vpc,
    VpcIpv6,
    OtherVpcs,
    Internet,
}

impl Authentication {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Tls => "TLS",
            Self::Scram => "SASL/SCRAM",
            Self::Iam => "SASL/IAM",
        }
    }
}

impl Reach {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vpc => "the VPC",
            Self::VpcIpv6 => "the VPC, by IPv6",
            Self::OtherVpcs => "other VPCs",
            Self::Internet => "the internet",
        }
    }
}

impl Serialize for Authentication {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Serialize for Reach {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Those that are open; of each authentication, the nearest reach first.
pub(super) fn of(answer: &GetBootstrapBrokersOutput) -> Vec<WayIn> {
    use Authentication::{Iam, Plaintext, Scram, Tls};
    use Reach::{Internet, OtherVpcs, Vpc, VpcIpv6};
    let lists = [
        (Plaintext, Vpc, answer.bootstrap_broker_string()),
        (Plaintext, VpcIpv6, answer.bootstrap_broker_string_ipv6()),
        (Tls, Vpc, answer.bootstrap_broker_string_tls()),
        (Tls, VpcIpv6, answer.bootstrap_broker_string_tls_ipv6()),
        (Tls, OtherVpcs, answer.bootstrap_broker_string_vpc_connectivity_tls()),
        (Tls, Internet, answer.bootstrap_broker_string_public_tls()),
        (Scram, Vpc, answer.bootstrap_broker_string_sasl_scram()),
        (Scram, VpcIpv6, answer.bootstrap_broker_string_sasl_scram_ipv6()),
        (Scram, OtherVpcs, answer.bootstrap_broker_string_vpc_connectivity_sasl_scram()),
        (Scram, Internet, answer.bootstrap_broker_string_public_sasl_scram()),
        (Iam, Vpc, answer.bootstrap_broker_string_sasl_iam()),
        (Iam, VpcIpv6, answer.bootstrap_broker_string_sasl_iam_ipv6()),
        (Iam, OtherVpcs, answer.bootstrap_broker_string_vpc_connectivity_sasl_iam()),
        (Iam, Internet, answer.bootstrap_broker_string_public_sasl_iam()),
    ];
    let is_open = |way: &WayIn| !way.brokers.is_empty();
    lists
        .into_iter()
        .map(|(authentication, reach, list)| WayIn { authentication, reach, brokers: split(list.unwrap_or_default()) })
        .filter(is_open)
        .collect()
}

fn split(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|broker| !broker.is_empty()).map(str::to_owned).collect()
}
