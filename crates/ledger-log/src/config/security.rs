use std::fmt;

use super::brokers::Brokers;
use variables::Variables;

const PROTOCOL: &str = "KAFKA_SECURITY_PROTOCOL";
const MECHANISM: &str = "KAFKA_SASL_MECHANISM";
const USERNAME: &str = "KAFKA_SASL_USERNAME";
const PASSWORD: &str = "KAFKA_SASL_PASSWORD";
const CA: &str = "KAFKA_SSL_CA_LOCATION";
const CERTIFICATE: &str = "KAFKA_SSL_CERTIFICATE_LOCATION";
const KEY: &str = "KAFKA_SSL_KEY_LOCATION";

/// How to speak to the brokers and who to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Security {
    /// Nothing where the connection is not encrypted.
    pub(crate) tls: Option<Tls>,
    pub(crate) sasl: Option<Sasl>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tls {
    pub(crate) ca: Option<String>,
    /// The client's own certificate and its key.
    pub(crate) certificate: Option<(String, String)>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Sasl {
    Password {
        mechanism: Mechanism,
        username: String,
        password: String,
    },
    /// IAM, for MSK.
    Iam {
        region: String,
    },
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { mechanism, username, .. } => write!(f, "{} as {username}", mechanism.name()),
            Self::Iam { region } => write!(f, "IAM in {region}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
    OauthBearer,
}

impl Mechanism {
    const ALL: [Self; 4] = [Self::Plain, Self::ScramSha256, Self::ScramSha512, Self::OauthBearer];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }
}

impl Security {
    pub(super) fn read(variables: &mut Variables<'_>, brokers: Option<&Brokers>) -> Option<Self> {
        let region = match brokers {
            Some(Brokers::MskCluster(arn)) => Some(arn.region().to_owned()),
            _ => None,
        };
        let (encrypted, signs_in) = read_protocol(variables, region.is_some())?;
        let tls = read_tls(variables, encrypted);
        let sasl =
            if signs_in { read_sasl(variables, region).map(Some) } else { refuse_sasl(variables).map(|()| None) };
        Some(Self { tls, sasl: sasl? })
    }

    /// Where to sign in with IAM, if at all.
    pub(crate) fn iam_region(&self) -> Option<&str> {
        match &self.sasl {
            Some(Sasl::Iam { region }) => Some(region),
            _ => None,
        }
    }

    pub(crate) const fn protocol(&self) -> &'static str {
        match (&self.tls, &self.sasl) {
            (None, None) => "PLAINTEXT",
            (Some(_), None) => "SSL",
            (None, Some(_)) => "SASL_PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
        }
    }
}

/// Whether the connection is encrypted, and whether the client signs in.
fn read_protocol(variables: &mut Variables<'_>, is_msk: bool) -> Option<(bool, bool)> {
    let Some(text) = variables.text(PROTOCOL) else { return Some((is_msk, is_msk)) };
    match text.to_uppercase().as_str() {
        "PLAINTEXT" => Some((false, false)),
        "SSL" => Some((true, false)),
        "SASL_PLAINTEXT" => Some((false, true)),
        "SASL_SSL" => Some((true, true)),
        _ => {
            let fix = "set PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL";
            variables.fault(PROTOCOL, format_args!("{text:?} is not a security protocol"), fix);
            None
        }
    }
}

fn read_tls(variables: &mut Variables<'_>, encrypted: bool) -> Option<Tls> {
    if !encrypted {
        for variable in [CA, CERTIFICATE, KEY] {
            if variables.text(variable).is_some() {
                let fix = format_args!("remove it, or set {PROTOCOL} to SSL or SASL_SSL").to_string();
                variables.fault(variable, "is set, but the connection is not encrypted", fix);
            }
        }
        return None;
    }
    let certificate = match (variables.file(CERTIFICATE), variables.file(KEY)) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => variables.required(KEY, "there is a certificate but no key to it").and(None),
        (None, Some(_)) => variables.required(CERTIFICATE, "there is a key but no certificate to it").and(None),
    };
    Some(Tls { ca: variables.file(CA), certificate })
}

fn read_sasl(variables: &mut Variables<'_>, region: Option<String>) -> Option<Sasl> {
    let mechanism = read_mechanism(variables, region.is_some())?;
    if mechanism == Mechanism::OauthBearer {
        for variable in [USERNAME, PASSWORD] {
            if variables.text(variable).is_some() {
                variables.fault(
                    variable,
                    "is set, but OAUTHBEARER signs in with IAM",
                    "remove it, or choose another mechanism",
                );
            }
        }
        let region =
            region.or_else(|| variables.required("AWS_REGION", "OAUTHBEARER signs in with IAM, which is per region"));
        return Some(Sasl::Iam { region: region? });
    }
    let reason = format!("{} signs in with a name and a password", mechanism.name());
    let (username, password) = (variables.required(USERNAME, &reason), variables.required(PASSWORD, &reason));
    Some(Sasl::Password { mechanism, username: username?, password: password? })
}

fn read_mechanism(variables: &mut Variables<'_>, is_msk: bool) -> Option<Mechanism> {
    let names = Mechanism::ALL.map(Mechanism::name).join(", ");
    match variables.text(MECHANISM) {
        None if is_msk => Some(Mechanism::OauthBearer),
        None => {
            variables.fault(
                MECHANISM,
                format_args!("is missing, and {PROTOCOL} asks for one"),
                format_args!("set one of {names}"),
            );
            None
        }
        Some(text) => {
            let name = text.to_uppercase();
            // AWS's own clients know OAUTHBEARER with IAM by another name.
            let name = if name == "AWS_MSK_IAM" { Mechanism::OauthBearer.name() } else { name.as_str() };
            let mechanism = Mechanism::ALL.into_iter().find(|mechanism| mechanism.name() == name);
            if mechanism.is_none() {
                variables.fault(
                    MECHANISM,
                    format_args!("{text:?} is not supported"),
                    format_args!("set one of {names}"),
                );
            }
            mechanism
        }
    }
}

fn refuse_sasl(variables: &mut Variables<'_>) -> Option<()> {
    let set: Vec<_> =
        [MECHANISM, USERNAME, PASSWORD].into_iter().filter(|name| variables.text(name).is_some()).collect();
    for variable in &set {
        let fix = format!("remove it, or set {PROTOCOL} to SASL_SSL or SASL_PLAINTEXT");
        variables.fault(variable, "is set, but the connection does not sign in", fix);
    }
    set.is_empty().then_some(())
}
