use std::fs;
use std::path::Path;

use anyhow::Result;
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// An authority, and what it has signed for the broker and for a client, as PEM files. The authority's own key is kept by
/// nobody.
pub(super) fn write(dir: &Path) -> Result<()> {
    let mut authority = named("authority", &[])?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    fs::write(dir.join("authority.pem"), authority.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(authority, key);
    let (broker, broker_key) = signed("broker", &issuer)?;
    // Kafka wants both in one file.
    fs::write(dir.join("broker.pem"), format!("{}{}", broker_key.serialize_pem(), broker.pem()))?;
    let (client, client_key) = signed("client", &issuer)?;
    fs::write(dir.join("client.pem"), client.pem())?;
    fs::write(dir.join("client.key"), client_key.serialize_pem())?;
    Ok(())
}

fn signed(name: &str, issuer: &Issuer<'_, KeyPair>) -> Result<(Certificate, KeyPair)> {
    let key = KeyPair::generate()?;
    Ok((named(name, &["127.0.0.1".to_owned()])?.signed_by(&key, issuer)?, key))
}

fn named(name: &str, addresses: &[String]) -> Result<CertificateParams> {
    let mut parameters = CertificateParams::new(addresses)?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    Ok(parameters)
}
